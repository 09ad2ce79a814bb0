"""The figures, drawn from the numbers of `analysis`, and the files they are kept in."""

from zsc_utils.plots.claims import VERDICT_STYLES, claims_ledger, claims_table
from zsc_utils.plots.encoders import ami_heatmap, difference_by_group, gains_by_group
from zsc_utils.plots.images import contact_sheet
from zsc_utils.plots.levels import ami_levels
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
    "VERDICT_STYLES",
    "ami_heatmap",
    "ami_levels",
    "claims_ledger",
    "claims_table",
    "contact_sheet",
    "difference_by_group",
    "encoder_styles",
    "gains_by_group",
    "learning_curves",
    "rows_by_backbone",
    "save",
    "save_table",
    "silhouette_ranks",
    "variance_curves",
]
