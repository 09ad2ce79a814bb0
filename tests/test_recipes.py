import pandas as pd
import pytest

from zsc_utils.clustering import CLUSTERERS as REGISTER
from zsc_utils.errors import RecipeError, UnknownNameError
from zsc_utils.recipes import (
    OTHER_RECIPES,
    STUDY_TABLE,
    Recipe,
    Reduction,
    encoders_with_recipes,
    recipe_for,
    too_few_samples,
)

CLUSTERERS = ["kmeans", "spectral", "ac_with_c", "ac_without_c", "affinity_propagation", "hdbscan"]


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_every_encoder_of_the_study_has_a_recipe(clusterer):
    assert len(encoders_with_recipes()) == 18
    for encoder in encoders_with_recipes():
        recipe = recipe_for(encoder, clusterer)
        assert recipe.reduction.method in ("none", "pca", "umap")


def test_known_rows():
    assert recipe_for("dino_vitb16", "ac_without_c").as_dict() == {
        "clusterer": "ac_without_c",
        "reduction": {"method": "umap", "n_components": 50, "variance": None, "zscore": False},
        "settings": {"metric": "euclidean", "linkage": "average", "distance_threshold": 0.2},
    }
    raw = recipe_for("raw_pixels", "kmeans")
    assert raw.reduction == Reduction("pca", variance=0.9, zscore=True)
    assert dict(recipe_for("mocov3_vitb16", "spectral").settings) == {"n_neighbors": 50}
    assert dict(recipe_for("mae_cls_vitb16", "affinity_propagation").settings) == {"damping": 0.6}


def test_pca_recipes_are_all_zscored_and_umap_ones_never():
    rows = pd.read_csv(STUDY_TABLE).query("clusterer != 'louvain'")
    assert rows.loc[rows["reducer"] == "pca", "zscore"].all()
    assert not rows.loc[rows["reducer"] == "umap", "zscore"].any()


@pytest.mark.parametrize(("family", "row"), [("ResNet", "xent_resnet50"), ("ViT", "xent_vitb16")])
def test_an_encoder_outside_the_table_takes_the_supervised_row_of_its_family(family, row):
    for clusterer in CLUSTERERS:
        assert recipe_for("something_new", clusterer, family) == recipe_for(row, clusterer)


def test_clusterers_that_are_not_of_the_study_have_one_recipe(tmp_path):
    others = [name for name, facts in REGISTER.facts().items() if not facts.in_study]
    assert others == list(OTHER_RECIPES) == ["evoc"]
    plain = Recipe("evoc", Reduction())
    assert recipe_for("raw_pixels", "evoc") == recipe_for("new", "evoc", "ViT") == plain
    with pytest.raises(UnknownNameError, match="unknown recipe 'new'"):
        recipe_for("new", "evoc")
    # The study's table is the study's; a table of one's own may say otherwise.
    assert "evoc" not in set(pd.read_csv(STUDY_TABLE)["clusterer"])
    own = pd.read_csv(STUDY_TABLE).query("clusterer == 'kmeans'").assign(clusterer="evoc")
    own.to_csv(tmp_path / "own.csv", index=False)
    found = recipe_for("raw_pixels", "evoc", path=tmp_path / "own.csv")
    assert found.reduction == recipe_for("raw_pixels", "kmeans").reduction


def test_an_encoder_without_row_or_family_names_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean .*dino_vitb16"):
        recipe_for("dino_vitb61", "kmeans")


def test_a_table_without_the_clusterer_or_a_column(tmp_path):
    with pytest.raises(RecipeError, match="no row for made_up with raw_pixels"):
        recipe_for("raw_pixels", "made_up")
    path = tmp_path / "own.csv"
    path.write_text("clusterer,encoder\nkmeans,raw_pixels\n")
    with pytest.raises(RecipeError, match="lacks the columns .*reducer"):
        recipe_for("raw_pixels", "kmeans", path=path)
    with pytest.raises(RecipeError, match="cannot read"):
        recipe_for("raw_pixels", "kmeans", path=tmp_path / "absent.csv")


def test_tables_that_make_no_sense(tmp_path):
    table = pd.read_csv(STUDY_TABLE)

    def refused(match, rows):
        path = tmp_path / f"{match.split()[1]}.csv"
        rows.to_csv(path, index=False)
        with pytest.raises(RecipeError, match=match):
            recipe_for("raw_pixels", "kmeans", path=path)

    refused("has twice kmeans with raw_pixels", pd.concat([table, table.head(1)]))
    refused("no zscore to kmeans", table.assign(zscore=None))
    refused("no known reducer to kmeans", table.assign(reducer="lda"))
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(RecipeError, match="cannot read"):
        recipe_for("raw_pixels", "kmeans", path=empty)


@pytest.mark.parametrize("fields", [{}, {"n_components": 5, "variance": 0.5}])
def test_pca_needs_exactly_one_size(fields):
    with pytest.raises(RecipeError):
        Reduction("pca", **fields)


def test_the_nearest_reduction_of_few_samples():
    umap = Reduction("umap", n_components=50, zscore=True)
    assert umap.fewest_samples == 52 and umap.nearest(52) is umap
    assert umap.nearest(51) == Reduction("umap", n_components=49, zscore=True)
    assert umap.nearest(3) == Reduction("umap", n_components=1, zscore=True)
    assert umap.nearest(2) == Reduction(zscore=True)
    for other in (Reduction(), Reduction("pca", n_components=200)):
        assert other.nearest(2) is other


def test_too_few_samples_are_said_in_one_sentence():
    recipes = [recipe_for("dino_vitb16", name) for name in ("kmeans", "spectral", "hdbscan")]
    assert too_few_samples(recipes * 2, 52) == ""
    assert too_few_samples(recipes * 2, 51) == (
        "51 samples: too few for UMAP to 50 dimensions, which needs 52 (for kmeans, hdbscan, "
        "silhouettes)"
    )
    ten = Recipe("kmeans", Reduction("umap", n_components=10))
    assert too_few_samples([ten], 1) == (
        "1 sample: too few for UMAP to 10 dimensions, which needs 12 (for kmeans); for UMAP to 50 "
        "dimensions, which needs 52 (for silhouettes)"
    )
