"""Tables, for the page and for the files beside the figures.

A table is a data frame whose index names its rows and whose outer index level, where there are two,
names blocks of rows: datasets under their group, encoders under their backbone. Two levels of
columns become spanners. `keep` is what a notebook calls: it writes CSV, Markdown and LaTeX and
shows the table. What is bold is a table of truth values of the same shape, so that texts can be
bold by the numbers they were written from::

    agreement = …                                     # clusterers × clusterers
    tables.keep(agreement, "07_agreement", figures, decimals=2)

    accuracy = …                                      # (group, dataset) × k: blocks by group
    best = base.is_best(accuracy)                     # the best of each row; axis=0: of each column
    tables.keep(accuracy, "10_accuracy", figures, bold=best)

    gaps = means.assign(gap=tables.number_texts(means["mean"], means["se"]))
    tables.keep(gaps.pivot(…), "09_gap", figures, bold=base.is_best(numbers))

A ledger whose columns differ gives `decimals` a number for each: ``{"statistic": 1, "p": 3}``.
"""

from __future__ import annotations

import re
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

if TYPE_CHECKING:
    from great_tables import GT
    from IPython.display import HTML


LOOK = {
    "table_font_size": "13px",
    "table_margin_left": "0px",
    "data_row_padding": "2px",
    "data_row_padding_horizontal": "5px",
    "row_group_padding": "3px",
    "row_group_font_weight": "bold",
    "row_group_background_color": "#F2F2F2",
    "column_labels_padding_horizontal": "5px",
    "column_labels_font_weight": "bold",
    "heading_align": "left",
    "table_body_hlines_style": "none",
    "container_overflow_x": "auto",
}


def show(
    table: pd.DataFrame,
    *,
    bold: pd.DataFrame | None = None,
    decimals: int | dict[str, int] = 1,
    title: str | None = None,
) -> GT:
    """Show a table in a notebook: rows in blocks, the best in bold.

    Parameters
    ----------
    table
        Numbers or texts. Of two index levels the outer one names blocks of rows; of two column
        levels the outer one spans the inner. Missing values are shown as a dash.
    bold
        bool, of the table's shape: what to print in bold.
    decimals
        Of fractional numbers: for all columns, or by column (one that is not named has 1).
    title
        Stands above the table.
    """
    from great_tables import GT, loc, style

    width, depth = table.shape[1], table.index.nlevels
    flat = table.reset_index()
    flat.columns = [f"c{i}" for i in range(depth + width)]
    names, body = flat.columns[:depth].tolist(), flat.columns[depth:].tolist()
    flat[names] = flat[names].astype(str)
    group, rows = (names[0], names[1:]) if depth > 1 else (None, names)
    # An id made from the numbers: the page is the same whenever it is made from the same ones.
    mark = f"table-{crc32(flat.to_csv().encode()):08x}"
    shown = GT(flat, rowname_col=rows[0], groupname_col=group, id=mark)
    shown = shown.sub_missing(missing_text="–")
    for key, column in zip(body, table.columns, strict=True):
        places = decimals.get(column, 1) if isinstance(decimals, dict) else decimals
        if is_float_dtype(flat[key]):
            shown = shown.fmt_number(key, decimals=places, use_seps=False)
        texts = flat[key].astype(str)
        number = is_numeric_dtype(flat[key]) or texts.str.contains(r"±|\[−?\d").any()
        shown = shown.cols_align("right" if number else "left", key)
    shown = _labelled(shown, table.columns, body)
    for key, column in zip(body, bold.to_numpy().T if bold is not None else (), strict=False):
        chosen = column.nonzero()[0].tolist()
        if chosen:
            shown = shown.tab_style(style.text(weight="bold"), loc.body(key, chosen))
    if title or table.empty:
        shown = shown.tab_header(title or "Nothing to show: there are no results for it.")
    shown = shown.tab_style(style.css("white-space: nowrap"), loc.stub())
    return shown.tab_options(**LOOK)


def _labelled(shown: GT, columns: pd.Index, keys: list[str]) -> GT:
    """Write the names of the columns, and those of the outer level over the columns they span."""
    if columns.nlevels > 1:
        for name, spanned in pd.Series(keys).groupby(columns.get_level_values(0), sort=False):
            shown = shown.tab_spanner(str(name), spanned.tolist())
    inner = map(str, columns.get_level_values(-1))
    return shown.cols_label(dict(zip(keys, inner, strict=True)))


def keep(
    table: pd.DataFrame,
    name: str,
    folder: str | Path,
    *,
    bold: pd.DataFrame | None = None,
    decimals: int | dict[str, int] = 1,
    title: str | None = None,
) -> GT:
    """Write a table as `save` does, and show it as `show` does.

    Parameters
    ----------
    table, bold, decimals, title
        As `show` takes them.
    name, folder
        As `save` takes them.
    """
    save(table, name, folder, bold=bold, decimals=decimals)
    return show(table, bold=bold, decimals=decimals, title=title)


def fold(tables: dict[str, GT]) -> HTML:
    """Put several tables below each other, folded away: a click on a name opens its table.

    Parameters
    ----------
    tables
        As `show` gives them, by the name to click.
    """
    from IPython.display import HTML

    parts = [
        f"<details><summary>{escape(name)}</summary>{table.as_raw_html()}</details>"
        for name, table in tables.items()
    ]
    return HTML("\n".join(parts))


# What LaTeX reads as a command, and what stands in texts of this study and is not in ASCII.
_TEX = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "ρ": r"$\rho$",
    "≥": r"$\geq$",
}

# More columns than this have no room for names that lie.
_UPRIGHT = 8

# Tables of more rows are data, not reading.
_LONG = 500


def save(
    table: pd.DataFrame,
    name: str,
    folder: str | Path,
    *,
    bold: pd.DataFrame | None = None,
    decimals: int | dict[str, int] | None = None,
) -> list[Path]:
    """Write a table as CSV, in full precision, as Markdown, with three digits, and as LaTeX.

    One of more than 500 rows is written as CSV alone.

    Parameters
    ----------
    table
        What to write; its index is written as columns.
    name
        File name without suffix; starts with the number of its notebook.
    folder
        Where to; made if it is not there.
    bold
        bool, of the table's shape: what is bold in LaTeX.
    decimals
        Of fractional numbers in LaTeX: for all columns, or by column. Three digits by default.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{suffix}" for suffix in ("csv", "md", "tex")]
    flat = table.reset_index()
    flat.to_csv(paths[0], index=False)
    if len(table) > _LONG:
        return paths[:1]
    paths[1].write_text(as_markdown(flat) + "\n")
    paths[2].write_text(as_latex(table, bold, decimals))
    return paths


def as_markdown(table: pd.DataFrame) -> str:
    """Write a table as Markdown, in which names are neither borders of cells nor HTML."""

    def escaped(value):
        # A sign with a blank behind it, as in `p < 0.05`, begins no tag.
        return re.sub(r"<(?=\S)|\|", r"\\\g<0>", value) if isinstance(value, str) else value

    return table.map(escaped).rename(columns=escaped).to_markdown(index=False, floatfmt=".3g")


def as_latex(
    table: pd.DataFrame,
    bold: pd.DataFrame | None = None,
    decimals: int | dict[str, int] | None = None,
) -> str:
    """Write a table as a `tabular` of LaTeX's package booktabs.

    Parameters
    ----------
    table, bold, decimals
        As `save` takes them. Of two index levels the outer one stands before a block of rows,
        with a rule between blocks. The names of more than eight columns stand upright (package
        graphicx). Names of classes in other alphabets need XeLaTeX or LuaLaTeX.
    """
    places = decimals if isinstance(decimals, dict) else dict.fromkeys(table.columns, decimals)
    styler = table.style.format(
        {column: partial(_tex, decimals=places.get(column)) for column in table.columns}
    )
    styler = styler.format_index(_tex, axis=0).format_index(_tex, axis=1)
    if len(table.columns) > _UPRIGHT:
        styler = styler.format_index(_tex_upright, axis=1, level=table.columns.nlevels - 1)
    styler = styler.hide(names=True).hide(names=True, axis=1)
    if bold is not None:
        weights = np.where(bold.to_numpy(bool), "textbf:--rwrap", "")
        styler = styler.apply(lambda _: weights, axis=None)
    rules = "skip-last;data" if table.index.nlevels > 1 else None
    text = styler.to_latex(hrules=True, multirow_align="naive", multicol_align="c", clines=rules)
    text = re.sub(r"\\cline\{[-\d]+\}\n\\bottomrule", r"\\bottomrule", text)
    return re.sub(r"\\cline\{[-\d]+\}", r"\\midrule", text)


def _tex(value, decimals: int | None = None) -> str:
    """Write a value for LaTeX: its special characters escaped, a dash where it is missing."""
    if pd.isna(value):
        return "--"
    if isinstance(value, float):
        digits = f"{value:.3g}" if decimals is None else f"{value:.{decimals}f}"
        value = digits.replace("-", "−")
    return "".join(_TEX.get(letter, letter) for letter in str(value))


def _tex_upright(value) -> str:
    return rf"\rotatebox{{90}}{{{_tex(value)}}}"


def _digits(numbers: pd.Series, decimals: int) -> pd.Series:
    texts = [f"{number:.{decimals}f}".replace("-", "−") for number in numbers.astype(float)]
    return pd.Series(texts, numbers.index, dtype=object).where(numbers.notna(), None)


def number_texts(
    value: pd.Series,
    se: pd.Series | None = None,
    low: pd.Series | None = None,
    high: pd.Series | None = None,
    decimals: int = 1,
) -> pd.Series:
    """Write numbers as text, `1.2 ± 0.3 [0.8, 1.6]`, without what is not given or not known."""
    texts = _digits(value, decimals)
    if se is not None:
        texts += (" ± " + _digits(se, decimals)).fillna("")
    if low is not None:
        texts += (" " + interval_texts(low, high, decimals)).fillna("")
    return texts.where(value.notna(), None)


def interval_texts(low: pd.Series, high: pd.Series, decimals: int = 1) -> pd.Series:
    """Write intervals alone, `[0.8, 1.6]`; what has none is missing."""
    texts = "[" + _digits(low, decimals) + ", " + _digits(high, decimals) + "]"
    return texts.where(low.notna(), None)


def estimate_texts(rows: pd.DataFrame, value: str = "mean", decimals: int = 1) -> pd.Series:
    """Write a column of numbers, each with its interval from `low` to `high`."""
    return number_texts(rows[value], None, rows["low"], rows["high"], decimals)


def join_interval(table: pd.DataFrame, value: str = "mean", decimals: int = 1) -> pd.DataFrame:
    """Write a number and its interval as one column of text, where a table has three of numbers.

    Parameters
    ----------
    table
        Has the columns `value`, `low` and `high`.
    value
        The column that the interval belongs to.
    decimals
        Of all three.

    Returns
    -------
    DataFrame
        The text, as `number_texts` writes it, in the place of `value`; `low` and `high` dropped.
    """
    text = estimate_texts(table, value, decimals)
    joined = table.assign(**{value: text}).drop(columns=["low", "high"])
    return joined.rename(columns={value: f"{value} [95 %]"})
