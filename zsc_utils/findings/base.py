"""What every finding is written with."""

from __future__ import annotations

import re

import pandas as pd

from zsc_utils.analysis import unscored

# Datasets of which bootstrap intervals are too narrow: `analysis.student_interval` has numbers.
FEW = 10

NO_RESULT = "**Undecided**: no cell of this profile has a result."


def bullets(sentences: list[str]) -> str:
    """Write sentences as a Markdown list."""
    return "\n".join(f"- {without_html(sentence)}" for sentence in sentences)


def without_html(text: str) -> str:
    """Write Markdown in which names of folders and classes are no HTML."""
    # A sign with a blank behind it, as in `p < 0.05`, begins no tag.
    return re.sub(r"<(?=\S)", r"\\<", text)


def absent(reasons: dict[str, str]) -> str:
    """Say which datasets are absent and why, as `plan.open_datasets` gives it."""
    return bullets(list(reasons.values())) or "All datasets are there."


def cells(table: pd.DataFrame) -> str:
    """Count the results and name what is wrong with any, and what is absent."""
    present = table[table["status"] != "absent"]
    if present.empty:
        # Whether it is its dataset or its encoder that a cell lacks, only its reason tells.
        reasons = table["reason"].drop_duplicates()
        return f"**No results**: all {len(table)} cells are absent.\n\n{bullets(list(reasons))}"
    bad = unscored(present)
    sentence = (
        f"{len(present)} results: {present['dataset'].nunique()} datasets × "
        f"{present['encoder'].nunique()} encoders × {present['clusterer'].nunique()} clusterers"
        + (f" × {present['seed'].nunique()} seeds." if present["seed"].nunique() > 1 else ".")
    )
    for kind in ("dataset", "encoder"):
        names = table[f"{kind}_name"].unique()
        lacking = [name for name in names if name not in set(present[f"{kind}_name"])]
        if lacking:
            listed = ", ".join(lacking)
            sentence += f" {len(lacking)} of {len(names)} {kind}s are absent: {listed}."
    if bad.empty:
        return without_html(sentence) + " Every clusterer converged."
    kinds = bad.groupby(["clusterer", "status"]).size()
    parts = [f"{n} of {name} ({what.replace('_', ' ')})" for (name, what), n in kinds.items()]
    return f"{without_html(sentence)} Not as they should be: {', '.join(parts)}."


def points(rows: pd.DataFrame) -> str:
    """List encoders with their mean difference and its standard error."""
    parts = [
        f"{row['encoder_name']} by {row['mean']:.1f}{spread(row['se'])}"
        for _, row in rows.iterrows()
    ]
    return "; ".join(parts) + " points." if parts else "none."


def spread(standard_error: float) -> str:
    """Write a standard error, nothing where there is none."""
    return "" if pd.isna(standard_error) else f" ± {standard_error:.1f}"
