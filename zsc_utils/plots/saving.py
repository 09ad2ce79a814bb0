"""Figures and tables as files."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

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


def save_table(
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
        As `save_table` takes them. Of two index levels the outer one stands before a block of rows,
        with a rule between blocks. The names of more than eight columns stand upright (package
        graphicx). Names of classes in other alphabets need XeLaTeX or LuaLaTeX.
    """
    places = decimals if isinstance(decimals, dict) else dict.fromkeys(table.columns, decimals)
    upright = len(table.columns) > _UPRIGHT
    styler = table.style.format(
        {column: partial(_tex, decimals=places.get(column)) for column in table.columns}
    )
    styler = styler.format_index(_tex, axis=0).hide(names=True).hide(names=True, axis=1)
    for level in range(table.columns.nlevels):
        last = level == table.columns.nlevels - 1
        how = _tex_upright if upright and last else _tex
        styler = styler.format_index(how, axis=1, level=level)
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


def save(figure: Figure, name: str, folder: str | Path) -> list[Path]:
    """Write a figure as PDF and as PNG (200 dots an inch), without dates: same figure, same bytes.

    Parameters
    ----------
    figure
        What to write.
    name
        File name without suffix; starts with the number of its notebook.
    folder
        Where to; made if it is not there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.pdf", folder / f"{name}.png"]
    figure.savefig(paths[0], bbox_inches="tight", metadata={"CreationDate": None})
    figure.savefig(paths[1], bbox_inches="tight", dpi=200)
    return paths
