"""Figures and tables as files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure


def save_table(table: pd.DataFrame, name: str, folder: str | Path) -> list[Path]:
    """Write a table as CSV, in full precision, and as Markdown, with three digits.

    Parameters
    ----------
    table
        What to write; its index is written as columns.
    name
        File name without suffix; starts with the number of its notebook.
    folder
        Where to; made if it is not there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.csv", folder / f"{name}.md"]
    flat = table.reset_index()
    flat.to_csv(paths[0], index=False)
    paths[1].write_text(flat.to_markdown(index=False, floatfmt=".3g") + "\n")
    return paths


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
