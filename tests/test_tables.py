from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from zsc_utils.study import base, tables
from zsc_utils.study.tables import as_latex


@pytest.fixture
def matrix():
    """Two blocks of rows, two columns, a hole."""
    rows = [("Near", "A_1"), ("Near", "B & C"), ("Far", "D")]
    index = pd.MultiIndex.from_tuples(rows, names=["group", "dataset_name"])
    values = {"One": [30.04, 10.0, -2.5], "Two": [40.0, 50.0, np.nan]}
    return pd.DataFrame(values, index=index)


class Cells(HTMLParser):
    """Texts of a table's cells, row by row, and which of them are bold."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.bold, self.inside = [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("td", "th") or (self.inside and tag != "style")
        self.heavy = "font-weight: bold" in (dict(attributes).get("style") or "")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside and data.strip():
            self.rows[-1].append(data.strip())
            self.bold += [data.strip()] * self.heavy


def test_is_best(matrix):
    assert base.is_best(matrix).to_numpy().tolist() == [[0, 1], [0, 1], [1, 0]]
    assert base.is_best(matrix, 0).to_numpy().tolist() == [[1, 0], [0, 1], [0, 0]]
    lowest = base.is_best(matrix, 0, lowest=True)
    assert lowest.to_numpy().tolist() == [[0, 1], [0, 0], [1, 0]]
    assert not base.is_best(matrix * np.nan).to_numpy().any()


def test_a_number_and_its_interval_become_one_column():
    numbers = pd.DataFrame(
        {"gap": [-1.25, 3.0], "n": [2, 1], "low": [-2.0, np.nan], "high": [0.5, np.nan]}
    )
    joined = tables.join_interval(numbers, "gap", decimals=1)
    assert joined.columns.tolist() == ["gap [95 %]", "n"]
    assert joined["gap [95 %]"].tolist() == ["−1.2 [−2.0, 0.5]", "3.0"]


def test_numbers_are_written_with_what_is_known_of_them():
    value, se = pd.Series([1.25, 3, np.nan]), pd.Series([0.5, np.nan, 1])
    low, high = pd.Series([-1, np.nan, 0]), pd.Series([2, np.nan, 1])
    texts = tables.number_texts(value, se, decimals=2)
    assert texts.tolist() == ["1.25 ± 0.50", "3.00", None]
    texts = tables.number_texts(value, se, low, high)
    assert texts.tolist() == ["1.2 ± 0.5 [−1.0, 2.0]", "3.0", None]
    assert tables.interval_texts(low, high, 0).tolist() == ["[−1, 2]", None, "[0, 1]"]


def test_shown_table_has_blocks_and_bold(matrix):
    page = tables.show(matrix, bold=base.is_best(matrix), title="AMI").as_raw_html()
    found = Cells(page)
    assert found.rows == [
        ["AMI"],
        ["One", "Two"],
        ["Near"],
        ["A_1", "30.0", "40.0"],
        ["B & C", "10.0", "50.0"],
        ["Far"],
        ["D", "−2.5", "–"],
    ]
    assert found.bold == ["40.0", "50.0", "−2.5"]
    # Nothing is fetched or run: the page is whole as it stands.
    assert "<script" not in page and "http" not in page and "<link" not in page


def test_shown_table_is_the_same_each_time(matrix):
    first, second = (tables.show(matrix).as_raw_html() for _ in range(2))
    assert first == second
    assert first[:40] != tables.show(-matrix).as_raw_html()[:40]


def test_shown_table_of_two_column_levels_and_decimals():
    columns = pd.MultiIndex.from_tuples([("X", "a"), ("X", "b"), ("Y", "a")])
    table = pd.DataFrame([[0.125, 3, "1 ± 2"]], index=["row"], columns=columns)
    found = Cells(tables.show(table, decimals={("X", "a"): 3}).as_raw_html())
    assert found.rows == [["X", "Y"], ["a", "b", "a"], ["row", "0.125", "3", "1 ± 2"]]


def test_latex_has_rules_blocks_and_bold(matrix):
    lines = as_latex(matrix, base.is_best(matrix), 1).splitlines()
    assert lines == [
        r"\begin{tabular}{llrr}",
        r"\toprule",
        r" &  & One & Two \\",
        r"\midrule",
        r"Near & A\_1 & 30.0 & \textbf{40.0} \\",
        r" & B \& C & 10.0 & \textbf{50.0} \\",
        r"\midrule",
        r"Far & D & \textbf{$-$2.5} & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_latex_of_texts_and_many_columns():
    text = as_latex(pd.DataFrame({"ρ_1": ["1 ± 2"], "n": [12]}, index=["50 %"]))
    assert r"$\rho$\_1 & n" in text and r"50 \% & 1 $\pm$ 2 & 12" in text and text.isascii()
    assert as_latex(pd.DataFrame({"x": ["a\\b^~"]})).count(
        r"a\textbackslash{}b\textasciicircum{}\textasciitilde{}"
    )
    # Names of the columns' and rows' levels are no part of it.
    named = pd.DataFrame(
        [[1.0]], index=pd.Index(["a"], name="row_name"), columns=pd.Index(["b"], name="of_columns")
    )
    assert "name" not in as_latex(named) and "of" not in as_latex(named)
    wide = as_latex(pd.DataFrame(np.zeros((1, 9))))
    assert wide.count(r"\rotatebox{90}{") == 9
    assert as_latex(pd.DataFrame({"x": [0.12345]})).count("0.123") == 1


def test_kept_table_is_shown_and_written(matrix, tmp_path):
    shown = tables.keep(matrix, "01_t", tmp_path, bold=matrix > 35, decimals=2)
    assert "30.04" in shown.as_raw_html()
    files = {path.suffix: path.read_text() for path in tmp_path.iterdir()}
    assert set(files) == {".csv", ".md", ".tex"}
    assert files[".csv"].splitlines()[1] == "Near,A_1,30.04,40.0"
    assert r"\textbf{40.00}" in files[".tex"] and "| Near" in files[".md"]


def test_a_long_table_is_data_alone(tmp_path):
    long = pd.DataFrame({"x": np.arange(501)})
    assert [path.suffix for path in tables.save(long, "09_x", tmp_path)] == [".csv"]
    assert len(pd.read_csv(tmp_path / "09_x.csv")) == 501
    assert len(tables.save(long.head(500), "09_y", tmp_path)) == 3
