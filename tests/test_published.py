"""Published numbers: the table, its reader, and how they stand beside the own."""

import pandas as pd
import pytest

from zsc_utils.study import tables
from zsc_utils.study.published import (
    WHERE,
    PublishedError,
    beside_published,
    read_published,
)

ROW = {
    **{"source": "paper, table 9", "what": "test", "dataset": "mnist", "partition": "test"},
    **{"encoder": "xent_vitb16", "clusterer": "kmeans", "setting": "", "metric": "AMI"},
    "value": 0.5,
}


def written(path, *rows):
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def cell(dataset, encoder, clusterer, ami, seed=1):
    names = {"group": "Far-OOD", "dataset_name": dataset.upper(), "encoder_name": encoder.title()}
    where = {"dataset": dataset, "encoder": encoder, "clusterer": clusterer, "seed": seed}
    return where | names | {"clusterer_name": clusterer.title(), "ami": ami}


def test_the_table_that_comes_with_the_package_is_read():
    table = read_published()
    assert list(table.columns) == [*WHERE, "value"] and len(table) > 80
    assert table["value"].between(0, 1).all() and table["source"].notna().all()
    # Numbers of the choice of settings are no numbers of a test.
    assert (table.loc[table["what"].str.startswith("validation"), "partition"] == "val").all()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"source": None}, "line 3 has an empty field"),
        ({"value": 50.0}, "line 3 has no value from -1 to 1"),
        ({"value": "half"}, "line 3 has no value from -1 to 1"),
        ({"clusterer": "louvain"}, "line 3 has an unknown clusterer"),
        ({"partition": "tests"}, "line 3 has an unknown partition"),
        ({"metric": "ARI"}, "line 3 has another metric"),
        ({"dataset": "mnist", "setting": ""}, "line 3 is there twice"),
    ],
)
def test_bad_rows_are_named_by_their_line(tmp_path, change, what):
    path = written(tmp_path / "own.csv", ROW, ROW | {"dataset": "svhn", "setting": "x"} | change)
    with pytest.raises(PublishedError, match=what):
        read_published(path)


def test_other_columns_and_no_file_are_refused(tmp_path):
    path = written(tmp_path / "own.csv", ROW | {"page": 3})
    with pytest.raises(PublishedError, match="must have the columns source, what"):
        read_published(path)
    with pytest.raises(PublishedError, match="cannot read"):
        read_published(tmp_path / "none.csv")


def test_published_numbers_stand_beside_the_own(tmp_path):
    rows = [
        ROW,
        ROW | {"setting": "other", "value": 0.4},
        ROW | {"partition": "val", "value": 0.9},
        ROW | {"encoder": "clip_vitb16", "value": 0.8},
    ]
    published = read_published(written(tmp_path / "own.csv", *rows))
    table = pd.DataFrame(
        [
            cell("mnist", "xent_vitb16", "kmeans", 0.52),
            cell("mnist", "xent_vitb16", "kmeans", 0.54, seed=2),
            cell("mnist", "xent_vitb16", "hdbscan", 0.3),
            cell("mnist", "dino_vitb16", "kmeans", None),
        ]
    )
    beside = beside_published(table, published)
    assert beside["ami"].tolist() == pytest.approx([53, 53])
    assert beside["published"].tolist() == pytest.approx([50, 40])
    assert beside["difference"].tolist() == pytest.approx([3, 13])
    assert set(beside.index) == {("Far-OOD", "MNIST", "Xent_Vitb16", "Kmeans")}
    shown = tables.keep(beside, "01_published", tmp_path).as_raw_html()
    assert "paper, table 9" in shown and (tmp_path / "01_published.tex").exists()


def test_nothing_stands_beside_what_nobody_published():
    table = pd.DataFrame([cell("mini-inat", "mini_xent_vit", "kmeans", 0.5)])
    assert beside_published(table).empty
