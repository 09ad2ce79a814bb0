"""The figures, drawn from the numbers of `analysis`, and the files they are kept in."""

from zsc_utils.plots.clusterers import (
    clusterer_matrices,
    clusters_found,
    left_out,
)
from zsc_utils.plots.encoders import ami_heatmap, difference_by_group, gains_by_group
from zsc_utils.plots.images import contact_sheet
from zsc_utils.plots.levels import ami_levels
from zsc_utils.plots.reductions import (
    recipe_grid,
    reduction_curves,
    reduction_differences,
    search_heatmap,
)
from zsc_utils.plots.samples import (
    cluster_images,
)
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
    "ami_heatmap",
    "ami_levels",
    "cluster_images",
    "clusterer_matrices",
    "clusters_found",
    "contact_sheet",
    "difference_by_group",
    "encoder_styles",
    "gains_by_group",
    "learning_curves",
    "left_out",
    "recipe_grid",
    "reduction_curves",
    "reduction_differences",
    "rows_by_backbone",
    "save",
    "save_table",
    "search_heatmap",
    "silhouette_ranks",
    "variance_curves",
]
