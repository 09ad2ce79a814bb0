"""The figures, drawn from the numbers of `analysis`, and the files they are kept in."""

from zsc_utils.plots.backgrounds import (
    ami_by_variant,
    background_gaps,
)
from zsc_utils.plots.breakdowns import (
    level_differences,
    level_heatmap,
)
from zsc_utils.plots.claims import (
    VERDICT_STYLES,
    claims_ledger,
    claims_table,
)
from zsc_utils.plots.clusterers import (
    clusterer_matrices,
    clusters_found,
    left_out,
)
from zsc_utils.plots.encoders import (
    ami_heatmap,
    difference_by_group,
    rank_intervals,
)
from zsc_utils.plots.fine_tuning import (
    before_and_after,
    gains_by_group,
)
from zsc_utils.plots.guidance import (
    regrets,
)
from zsc_utils.plots.images import (
    contact_sheet,
)
from zsc_utils.plots.levels import (
    ami_levels,
)
from zsc_utils.plots.maps import (
    as_html,
    embedding_map,
    thumbnail,
    thumbnails_bytes,
)
from zsc_utils.plots.neighbours import (
    ami_against_accuracy,
    rank_agreement,
    rank_changes,
)
from zsc_utils.plots.own import (
    cluster_sizes,
    image_rows,
)
from zsc_utils.plots.reductions import (
    recipe_grid,
    reduction_curves,
    reduction_differences,
    search_heatmap,
)
from zsc_utils.plots.samples import (
    cluster_images,
)
from zsc_utils.plots.saving import (
    save,
    save_table,
)
from zsc_utils.plots.silhouettes import (
    silhouette_ranks,
)
from zsc_utils.plots.style import (
    METHOD_COLORS,
    encoder_styles,
    rows_by_backbone,
)
from zsc_utils.plots.tables import (
    fold_tables,
    keep_table,
    show_table,
)
from zsc_utils.plots.training import (
    learning_curves,
)
from zsc_utils.plots.variance import (
    variance_curves,
)

__all__ = [
    "METHOD_COLORS",
    "VERDICT_STYLES",
    "ami_against_accuracy",
    "ami_by_variant",
    "ami_heatmap",
    "ami_levels",
    "as_html",
    "background_gaps",
    "before_and_after",
    "claims_ledger",
    "claims_table",
    "cluster_images",
    "cluster_sizes",
    "clusterer_matrices",
    "clusters_found",
    "contact_sheet",
    "difference_by_group",
    "embedding_map",
    "encoder_styles",
    "fold_tables",
    "gains_by_group",
    "image_rows",
    "keep_table",
    "learning_curves",
    "left_out",
    "level_differences",
    "level_heatmap",
    "rank_agreement",
    "rank_changes",
    "rank_intervals",
    "recipe_grid",
    "reduction_curves",
    "reduction_differences",
    "regrets",
    "rows_by_backbone",
    "save",
    "save_table",
    "search_heatmap",
    "show_table",
    "silhouette_ranks",
    "thumbnail",
    "thumbnails_bytes",
    "variance_curves",
]
