"""The figures, drawn from the numbers of `analysis`, and the files they are kept in."""

from zsc_utils.plots.encoders import ami_heatmap, difference_by_group, gains_by_group
from zsc_utils.plots.images import contact_sheet
from zsc_utils.plots.levels import ami_levels
from zsc_utils.plots.maps import as_html, embedding_map, thumbnail, thumbnails_bytes
from zsc_utils.plots.own import cluster_sizes, image_rows
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
    "as_html",
    "cluster_sizes",
    "contact_sheet",
    "difference_by_group",
    "embedding_map",
    "encoder_styles",
    "gains_by_group",
    "image_rows",
    "learning_curves",
    "rows_by_backbone",
    "save",
    "save_table",
    "silhouette_ranks",
    "thumbnail",
    "thumbnails_bytes",
    "variance_curves",
]
