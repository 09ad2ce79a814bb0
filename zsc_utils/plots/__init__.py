"""The figures, drawn from the numbers of `analysis`, and the files they are kept in."""

from zsc_utils.plots.backgrounds import ami_by_variant, background_gaps
from zsc_utils.plots.breakdowns import level_differences, level_heatmap
from zsc_utils.plots.encoders import ami_heatmap, difference_by_group, gains_by_group
from zsc_utils.plots.images import contact_sheet
from zsc_utils.plots.levels import ami_levels
from zsc_utils.plots.neighbours import ami_against_accuracy, rank_agreement, rank_changes
from zsc_utils.plots.saving import save, save_table
from zsc_utils.plots.silhouettes import silhouette_ranks
from zsc_utils.plots.style import (
    METHOD_COLORS,
    encoder_styles,
    rows_by_backbone,
)
from zsc_utils.plots.training import learning_curves
from zsc_utils.plots.variance import variance_curves

__all__ = [
    "METHOD_COLORS",
    "ami_against_accuracy",
    "ami_by_variant",
    "ami_heatmap",
    "ami_levels",
    "background_gaps",
    "contact_sheet",
    "difference_by_group",
    "encoder_styles",
    "gains_by_group",
    "learning_curves",
    "level_differences",
    "level_heatmap",
    "rank_agreement",
    "rank_changes",
    "rows_by_backbone",
    "save",
    "save_table",
    "silhouette_ranks",
    "variance_curves",
]
