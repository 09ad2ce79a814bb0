"""The numbers of each figure and table, with their uncertainty, from the tidy table of results.

AMI is a fraction in the table of results, and in percent here, as in the study.
"""

from zsc_utils.analysis.base import (
    SPACES,
    datasets_of_group,
    is_best,
    not_fine_tuned,
    plus_minus,
    pretrained_only,
    unscored,
    with_asked,
    with_interval,
    with_score,
    without_baselines,
)
from zsc_utils.analysis.differences import (
    average_by_group,
    before_and_after,
    fine_tuned_pairs,
    fine_tuning_gains,
    group_differences,
    paired_differences,
    references,
    written_differences,
)
from zsc_utils.analysis.encoders import (
    ami_by_clusterer,
    ami_by_encoder,
    ami_by_group,
    ami_matrices,
    ami_matrix,
    best_by_dataset,
    best_by_group,
    mean_ranks,
    written_by_group,
)
from zsc_utils.analysis.guidance import regrets, regrets_by_dataset, regrets_by_way, written_regrets
from zsc_utils.analysis.levels import ami_by_level, level_matrix
from zsc_utils.analysis.seeds import spread_over_seeds
from zsc_utils.analysis.silhouettes import (
    correlation_by_supervision,
    silhouette_correlation,
    silhouette_ranks,
    spearman,
    written_correlation,
)
from zsc_utils.analysis.uncertainty import (
    mean_interval,
    resampled_clusters,
    sign_flip_p,
    sure_mean_by,
)
from zsc_utils.analysis.variance import (
    dims_for_variance,
    median_dims,
    typical_curves,
    variance_curve,
    variance_curves,
    written_dims,
)

__all__ = [
    "SPACES",
    "ami_by_clusterer",
    "ami_by_encoder",
    "ami_by_group",
    "ami_by_level",
    "ami_matrices",
    "ami_matrix",
    "average_by_group",
    "before_and_after",
    "best_by_dataset",
    "best_by_group",
    "correlation_by_supervision",
    "datasets_of_group",
    "dims_for_variance",
    "fine_tuned_pairs",
    "fine_tuning_gains",
    "group_differences",
    "is_best",
    "level_matrix",
    "mean_interval",
    "mean_ranks",
    "median_dims",
    "not_fine_tuned",
    "paired_differences",
    "plus_minus",
    "pretrained_only",
    "references",
    "regrets",
    "regrets_by_dataset",
    "regrets_by_way",
    "resampled_clusters",
    "sign_flip_p",
    "silhouette_correlation",
    "silhouette_ranks",
    "spearman",
    "spread_over_seeds",
    "sure_mean_by",
    "typical_curves",
    "unscored",
    "variance_curve",
    "variance_curves",
    "with_asked",
    "with_interval",
    "with_score",
    "without_baselines",
    "written_by_group",
    "written_correlation",
    "written_differences",
    "written_dims",
    "written_regrets",
]
