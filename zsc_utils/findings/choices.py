"""What picking by the silhouette loses."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis import SPACES
from zsc_utils.findings.base import bullets


def choices(ways: dict[str, pd.DataFrame]) -> str:
    """Say how well the silhouette alone picks.

    Parameters
    ----------
    ways
        By what is chosen, `encoder` or `clusterer`: `analysis.regrets_by_way`.
    """
    return bullets([_choice(what, found) for what, found in ways.items()])


def _choice(what: str, found: pd.DataFrame) -> str:
    by_way = found.set_index("way")
    spaces = {name: f"highest S, {name}" for name in SPACES.values()}
    known = {name: by_way.loc[way] for name, way in spaces.items() if way in by_way.index}
    if not known:
        return (
            f"**Choosing the {what}** by S: undecided, as nowhere two with a result, one of them "
            "with a silhouette, stand beside each other."
        )
    parts = [f"{row['mean']:.1f} points in the {name}{_saved(row)}" for name, row in known.items()]
    rest = by_way.drop(index=[*spaces.values(), "at random"], errors="ignore")
    beside = f"a random choice loses {by_way.loc['at random', 'mean']:.1f}"
    beside += "".join(f"; {way}: {mean:.1f}" for way, mean in rest["mean"].items())
    hits = ", ".join(f"{row['hits']:.0f} % ({name})" for name, row in known.items())
    return (
        f"**Choosing the {what}** of highest S loses {'; '.join(parts)}. For comparison: {beside}. "
        f"It takes the best in {hits} of cases; chance would in "
        f"{by_way.loc['at random', 'hits']:.0f} %."
    )


def _saved(row: pd.Series) -> str:
    if pd.isna(row["saved_low"]):
        return ""
    verdict = "better than" if row["saved_low"] > 0 else "not surely better than"
    if row["saved_high"] < 0:
        verdict = "worse than"
    return (
        f" ({verdict} a random choice: {row['saved']:.1f} saved, 95 % interval "
        f"{row['saved_low']:.1f} to {row['saved_high']:.1f})"
    )
