"""Tables, for the page and for the files beside the figures.

A table is a data frame whose index names its rows and whose outer index level, where there are two,
names blocks of rows: datasets under their group, encoders under their backbone. Two levels of
columns become spanners. `keep_table` is what a notebook calls: it writes CSV, Markdown and LaTeX
and shows the table. What is bold is a table of truth values of the same shape, so that texts can be
bold by the numbers they were written from::

    agreement = …                                     # clusterers × clusterers
    plots.keep_table(agreement, "07_agreement", figures, decimals=2)

    accuracy = …                                      # (group, dataset) × k: blocks by group
    best = analysis.is_best(accuracy)                 # the best of each row; axis=0: of each column
    plots.keep_table(accuracy, "10_accuracy", figures, bold=best)

    gaps = means.assign(gap=analysis.plus_minus(means["mean"], means["se"]))
    plots.keep_table(gaps.pivot(…), "09_gap", figures, bold=analysis.is_best(numbers))

A ledger whose columns differ gives `decimals` a number for each: ``{"statistic": 1, "p": 3}``.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

from zsc_utils.plots.saving import save_table

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


def show_table(
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
    outer = columns.get_level_values(0) if columns.nlevels > 1 else []
    for name in dict.fromkeys(outer):
        shown = shown.tab_spanner(
            str(name), [key for key, over in zip(keys, outer, strict=True) if over == name]
        )
    inner = map(str, columns.get_level_values(-1))
    return shown.cols_label(dict(zip(keys, inner, strict=True)))


def keep_table(
    table: pd.DataFrame,
    name: str,
    folder: str | Path,
    *,
    bold: pd.DataFrame | None = None,
    decimals: int | dict[str, int] = 1,
    title: str | None = None,
) -> GT:
    """Write a table as `save_table` does, and show it as `show_table` does.

    Parameters
    ----------
    table, bold, decimals, title
        As `show_table` takes them.
    name, folder
        As `save_table` takes them.
    """
    save_table(table, name, folder, bold=bold, decimals=decimals)
    return show_table(table, bold=bold, decimals=decimals, title=title)


def fold_tables(tables: dict[str, GT]) -> HTML:
    """Put several tables below each other, folded away: a click on a name opens its table.

    Parameters
    ----------
    tables
        As `show_table` gives them, by the name to click.
    """
    from IPython.display import HTML

    parts = [
        f"<details><summary>{escape(name)}</summary>{table.as_raw_html()}</details>"
        for name, table in tables.items()
    ]
    return HTML("\n".join(parts))
