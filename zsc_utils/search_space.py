"""What a hyperparameter search tries: reductions, and settings of each clusterer."""

from __future__ import annotations

from zsc_utils.recipes import Reduction

REDUCTIONS = (
    Reduction(),
    Reduction(zscore=True),
    *(Reduction("pca", n_components=n, zscore=True) for n in (10, 50, 100, 200)),
    *(Reduction("pca", variance=v, zscore=True) for v in (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)),
    Reduction("umap", n_components=50),
)
# Settings of the first step; thresholds of the second are searched along with nothing else.
COMMON = {
    "kmeans": {},
    "spectral": {"n_neighbors": 10},
    "ac_with_c": {"linkage": "ward", "metric": "euclidean"},
    "affinity_propagation": {"damping": 0.9},
    "hdbscan": {"metric": "euclidean"},
}
SETTINGS = {
    "kmeans": [{}],
    "spectral": [{"n_neighbors": k} for k in (10, 20, 30, 50)],
    "ac_with_c": [
        {"linkage": "ward", "metric": "euclidean"},
        *(
            {"linkage": "average", "metric": metric}
            for metric in ("euclidean", "l1", "chebyshev", "cosine")
        ),
    ],
    "affinity_propagation": [
        {"damping": d} for d in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
    ],
    "hdbscan": [{"metric": metric} for metric in ("euclidean", "l1", "chebyshev", "arccos")],
}
THRESHOLDS = (
    0.05,
    0.1,
    0.2,
    0.3,
    0.5,
    0.71,
    1.0,
    1.4,
    2.0,
    3.0,
    5.0,
    7.1,
    10.0,
    14.0,
    20.0,
    30.0,
    50.0,
    100.0,
)
