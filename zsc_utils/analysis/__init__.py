"""The numbers of each figure and table, with their uncertainty, from the tidy table of results.

AMI is a fraction in the table of results, and in percent here, as in the study.
"""

from zsc_utils.analysis.base import (
    SPACES,
    datasets_of_group,
    not_fine_tuned,
    pretrained_only,
    unscored,
    with_asked,
    with_score,
    without_baselines,
)
from zsc_utils.analysis.differences import (
    average_by_group,
    fine_tuning_gains,
    group_differences,
    paired_differences,
)
from zsc_utils.analysis.encoders import (
    ami_by_clusterer,
    ami_by_encoder,
    ami_by_group,
    ami_matrix,
    best_by_dataset,
    mean_ranks,
    written_by_group,
)
from zsc_utils.analysis.levels import ami_by_level
from zsc_utils.analysis.maps import LEFT_OUT, NO_CLASS, embedding_map, matched_places
from zsc_utils.analysis.own import rank_by_silhouette, sizes, typical_rows
from zsc_utils.analysis.silhouettes import (
    correlation_by_supervision,
    silhouette_correlation,
    silhouette_ranks,
    spearman,
)
from zsc_utils.analysis.uncertainty import mean_interval, resampled_clusters, sign_flip_p
from zsc_utils.analysis.variance import (
    dims_for_variance,
    typical_curves,
    variance_curve,
    variance_curves,
)

__all__ = [
    "LEFT_OUT",
    "NO_CLASS",
    "SPACES",
    "ami_by_clusterer",
    "ami_by_encoder",
    "ami_by_group",
    "ami_by_level",
    "ami_matrix",
    "average_by_group",
    "best_by_dataset",
    "correlation_by_supervision",
    "datasets_of_group",
    "dims_for_variance",
    "embedding_map",
    "fine_tuning_gains",
    "group_differences",
    "matched_places",
    "mean_interval",
    "mean_ranks",
    "not_fine_tuned",
    "paired_differences",
    "pretrained_only",
    "rank_by_silhouette",
    "resampled_clusters",
    "sign_flip_p",
    "silhouette_correlation",
    "silhouette_ranks",
    "sizes",
    "spearman",
    "typical_curves",
    "typical_rows",
    "unscored",
    "variance_curve",
    "variance_curves",
    "with_asked",
    "with_score",
    "without_baselines",
    "written_by_group",
]
