"""Recipes: which reduction and which clusterer settings go with an encoder.

The table that comes with the package holds the study's own choices, tuned on ImageNet-1k training
images (Lowe et al., arXiv 2406.02465, appendix on hyperparameters).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import pandas as pd

from zsc_utils.errors import RecipeError, UnknownNameError

TABLES = Path(__file__).parent / "tables"
STUDY_TABLE = TABLES / "hyperparameters.csv"

# An encoder without rows of its own takes those of the supervised encoder of its family.
FAMILY_ROWS = {"ResNet": "xent_resnet50", "ViT": "xent_vitb16"}

REDUCTION_METHODS = ("none", "pca", "umap")
REDUCTION_COLUMNS = ("reducer", "n_components", "pca_variance", "zscore")
SETTING_COLUMNS = ("metric", "linkage", "distance_threshold", "damping", "n_neighbors")


@dataclass(frozen=True)
class Reduction:
    """How an embedding is reduced before it is clustered.

    Parameters
    ----------
    method
        `none`, `pca` or `umap`.
    n_components
        Dimensions to keep (`pca`, `umap`).
    variance
        Fraction of the variance to keep, instead of a number of dimensions (`pca`).
    zscore
        Whether each dimension is first brought to zero mean and unit variance.
    """

    method: str = "none"
    n_components: int | None = None
    variance: float | None = None
    zscore: bool = False

    def __post_init__(self):
        if self.method == "pca" and (self.n_components is None) == (self.variance is None):
            raise RecipeError("PCA needs a number of dimensions or a fraction of variance: one")
        if self.method == "umap" and self.n_components is None:
            raise RecipeError("UMAP needs a number of dimensions")

    @property
    def fewest_samples(self) -> int:
        """Samples that it takes: UMAP starts from as many eigenvectors, and two to spare."""
        return self.n_components + 2 if self.method == "umap" else 1

    def nearest(self, n_samples: int) -> Reduction:
        """Return itself or, where the samples are too few, what comes closest to it.

        That is UMAP to as many dimensions as they allow; of two samples, which allow none, nothing.
        """
        if n_samples >= self.fewest_samples:
            return self
        if n_samples < 3:
            return Reduction(zscore=self.zscore)
        return replace(self, n_components=n_samples - 2)


# The space in which the study measures silhouettes, whatever the recipe (with seed 42).
SILHOUETTE_REDUCTION = Reduction("umap", n_components=50)
SILHOUETTE_SEED = 42


@dataclass(frozen=True)
class Recipe:
    """What to do to embeddings of one encoder with one clusterer.

    Parameters
    ----------
    clusterer
        Name of the clusterer.
    reduction
        What comes before it.
    settings
        The clusterer's own settings, as (name, value) pairs.
    """

    clusterer: str
    reduction: Reduction
    settings: tuple[tuple[str, str | float | int], ...] = ()

    def as_dict(self) -> dict:
        """Return plain values, for fingerprints and result files."""
        return {
            "clusterer": self.clusterer,
            "reduction": asdict(self.reduction),
            "settings": dict(self.settings),
        }


def too_few_samples(recipes: Iterable[Recipe], n_samples: int) -> str:
    """Say which recipes cannot be followed on so few samples; empty where all can.

    Parameters
    ----------
    recipes
        Of clusterers, of one encoder or several.
    n_samples
        How many samples there are.
    """
    lacking: dict[Reduction, dict[str, None]] = {}
    for recipe in recipes:
        if n_samples < recipe.reduction.fewest_samples:
            space = replace(recipe.reduction, zscore=False)
            lacking.setdefault(space, {})[recipe.clusterer] = None
    if n_samples < SILHOUETTE_REDUCTION.fewest_samples:
        lacking.setdefault(SILHOUETTE_REDUCTION, {})["silhouettes"] = None
    parts = [
        f"UMAP to {space.n_components} dimensions, which needs {space.fewest_samples} (for "
        f"{', '.join(users)})"
        for space, users in lacking.items()
    ]
    if not parts:
        return ""
    return f"{n_samples} sample{'s' * (n_samples > 1)}: too few for {'; for '.join(parts)}"


@cache
def read_table(path: Path = STUDY_TABLE) -> pd.DataFrame:
    """Read a hyperparameter table: one row for each clusterer and encoder.

    Raises
    ------
    RecipeError
        The file cannot be read, lacks a column, or has a row twice or with an empty or unknown
        reduction.
    """
    try:
        table = pd.read_csv(path)
    # Besides files that are not there: no text, no rows, rows of unequal lengths.
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot read the recipe table {path}: {error}") from error
    missing = {"clusterer", "encoder", *REDUCTION_COLUMNS, *SETTING_COLUMNS} - set(table.columns)
    if missing:
        raise RecipeError(f"recipe table {path} lacks the columns {', '.join(sorted(missing))}")
    bad = {
        "has twice": table.duplicated(["clusterer", "encoder"]),
        "gives no zscore to": table["zscore"].isna(),
        "gives no known reducer to": ~table["reducer"].isin(REDUCTION_METHODS),
    }
    for what, rows in bad.items():
        if rows.any():
            first = table.loc[rows, ["clusterer", "encoder"]].iloc[0]
            raise RecipeError(f"recipe table {path} {what} {' with '.join(map(str, first))}")
    return table.set_index(["clusterer", "encoder"]).sort_index()


def trials_file(table: Path) -> Path:
    """Path of the trials of the search that made a table: they lie beside it."""
    return table.with_name(f"{table.stem}_trials{table.suffix}")


def encoders_with_recipes(path: Path = STUDY_TABLE) -> list[str]:
    """Names of the encoders that have rows of their own."""
    return sorted(read_table(path).index.unique("encoder"))


# Clusterers that are not of the study have no rows in its table: one recipe for all encoders, what
# their authors advise.
OTHER_RECIPES = {"evoc": Recipe("evoc", Reduction())}


def recipe_for(
    encoder: str, clusterer: str, family: str | None = None, path: Path = STUDY_TABLE
) -> Recipe:
    """Look up the recipe of an encoder and a clusterer.

    Parameters
    ----------
    encoder
        Name of the encoder.
    clusterer
        Name of the clusterer.
    family
        Backbone family, `ResNet` or `ViT`: an encoder without a row of its own takes the row of
        the supervised (X-Ent) encoder of that family.
    path
        Hyperparameter table; the study's own by default.

    Raises
    ------
    UnknownNameError
        The encoder has no row, and no family to borrow one from.
    RecipeError
        The table has no row for this clusterer.
    """
    table = read_table(path)
    encoders = encoders_with_recipes(path)
    row_name = encoder if encoder in encoders else FAMILY_ROWS.get(family)
    if row_name is None:
        raise UnknownNameError("recipe", encoder, encoders)
    if (clusterer, row_name) not in table.index and clusterer in OTHER_RECIPES:
        return OTHER_RECIPES[clusterer]
    if (clusterer, row_name) not in table.index:
        raise RecipeError(f"the recipe table has no row for {clusterer} with {row_name}")
    row = table.loc[(clusterer, row_name)].dropna()
    reduction = Reduction(
        method=row["reducer"],
        n_components=int(row["n_components"]) if "n_components" in row else None,
        variance=float(row["pca_variance"]) if "pca_variance" in row else None,
        zscore=bool(row["zscore"]),
    )
    settings = {name: row[name] for name in SETTING_COLUMNS if name in row}
    if "n_neighbors" in settings:
        settings["n_neighbors"] = int(settings["n_neighbors"])
    return Recipe(clusterer, reduction, tuple(settings.items()))


# What a search tries: reductions, and settings of each clusterer.
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
    *(0.05, 0.1, 0.2, 0.3, 0.5, 0.71, 1.0, 1.4, 2.0),
    *(3.0, 5.0, 7.1, 10.0, 14.0, 20.0, 30.0, 50.0, 100.0),
)
