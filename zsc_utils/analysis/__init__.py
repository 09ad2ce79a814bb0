"""The numbers of each figure and table, with their uncertainty, from the tidy table of results.

AMI is a fraction in the table of results, and in percent here, as in the study.
"""

from zsc_utils.analysis.backgrounds import (
    FAMILIES,
    ami_by_variant,
    background_gaps,
    background_scores,
    background_variants,
    jackknife,
)
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
from zsc_utils.analysis.breakdowns import (
    best_level_counts,
    best_levels,
    label_levels,
    level_differences,
    level_scores,
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
from zsc_utils.analysis.neighbours import (
    OTHERS,
    accuracy_matrix,
    agreement_by_clusterer,
    ami_and_accuracy,
    ceiling_gap,
    lacking_neighbours,
    mean_ami_and_accuracy,
    neighbour_measure,
    rank_agreement,
    rank_changes,
)
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
    "FAMILIES",
    "OTHERS",
    "SPACES",
    "accuracy_matrix",
    "agreement_by_clusterer",
    "ami_and_accuracy",
    "ami_by_clusterer",
    "ami_by_encoder",
    "ami_by_group",
    "ami_by_level",
    "ami_by_variant",
    "ami_matrix",
    "average_by_group",
    "background_gaps",
    "background_scores",
    "background_variants",
    "best_by_dataset",
    "best_level_counts",
    "best_levels",
    "ceiling_gap",
    "correlation_by_supervision",
    "datasets_of_group",
    "dims_for_variance",
    "fine_tuning_gains",
    "group_differences",
    "jackknife",
    "label_levels",
    "lacking_neighbours",
    "level_differences",
    "level_scores",
    "mean_ami_and_accuracy",
    "mean_interval",
    "mean_ranks",
    "neighbour_measure",
    "not_fine_tuned",
    "paired_differences",
    "pretrained_only",
    "rank_agreement",
    "rank_changes",
    "resampled_clusters",
    "sign_flip_p",
    "silhouette_correlation",
    "silhouette_ranks",
    "spearman",
    "typical_curves",
    "unscored",
    "variance_curve",
    "variance_curves",
    "with_asked",
    "with_score",
    "without_baselines",
    "written_by_group",
]
