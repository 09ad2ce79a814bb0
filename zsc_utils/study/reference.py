"""The reference run of a profile: numbers that are kept, and how far another run is from them.

They lie in `docs/reference/<profile>/`, where no run writes: `zsc reference` alone does, from a run
that is finished. Single scores differ between processors; what must not differ is said here.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from zsc_utils.cache import ROOT, atomic_path, build_folder, versions
from zsc_utils.clustering import CLUSTERERS, study_clusterers
from zsc_utils.errors import ZscError
from zsc_utils.reduction import REDUCERS
from zsc_utils.study.base import CELL, bullets
from zsc_utils.study.encoders import ami_by_group, mean_ranks
from zsc_utils.study.stats import spearman
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.costs import memory_available
from zsc_utils.sweep.profile import Profile
from zsc_utils.sweep.results import survey

KEYS = [*CELL, "seed"]
FACTS = ["group", "dataset_name", "encoder_name"]
SCORES = ["ami", "silhouette_original", "silhouette_umap"]
# Of a score: a thousandth of a point of AMI.
DIGITS = 5
LEDGER_DIGITS = 4
# What a group's mean may move by, in points, before a run counts as another result.
ALLOWED = 1.5
# What notebook 11 writes of the ledger in numbers.
LEDGER = "11_statistics.csv"
# Tables that README and documents show, and what they are called where notebooks write them.
TABLES = {"ami.md": "01_ami.md", "groups.md": "01_groups.md", "claims.md": "11_claims.md"}
# They embed, reduce and cluster, whatever the profile; reducers and clusterers name their own.
LIBRARIES = (
    *("numpy", "scipy", "scikit-learn", "scikit-image", "pillow", "matplotlib"),
    *("torch", "torchvision", "timm"),
)
# More names than this tell a reader less than their number does.
NAMED = 5


class UnfinishedError(ZscError):
    """A run that lacks something: there is nothing to keep or to compare."""


@dataclass(frozen=True)
class Run:
    """What a run of a profile gave.

    Parameters
    ----------
    profile
        Name of the profile.
    cells
        A row for each cell: what names it, the facts of its dataset and encoder, `settings` (its
        recipe), `status` and scores.
    ledger
        Indexed by `key`, a row for each statistic, as `claims.claim_numbers` gives it.
    machine
        `processor`, `processors`, `system`, `python`, `date`; `libraries`: name to version;
        `settings`: what of the profile holds for all cells.
    """

    profile: str
    cells: pd.DataFrame
    ledger: pd.DataFrame
    machine: dict


@dataclass(frozen=True)
class Comparison:
    """How far a run is from the reference run.

    Parameters
    ----------
    cells
        Those that have an AMI in both: `ami` and `ami_reference`, both fractions, and
        `difference` in points.
    groups
        Indexed by group and encoder_name: `difference` of the means over those cells, in points.
    ranks
        Indexed by encoder_name: mean `rank` and `reference` rank over the same cells.
    verdicts
        Indexed by key: `verdict` and `reference`, on each statistic that both have.
    alone
        What is on one side only, or differs, as sentences.
    """

    cells: pd.DataFrame
    groups: pd.DataFrame
    ranks: pd.DataFrame
    verdicts: pd.DataFrame
    alone: list[str]

    @property
    def flipped(self) -> pd.DataFrame:
        """Verdicts that are not those of the reference."""
        return self.verdicts[self.verdicts["verdict"] != self.verdicts["reference"]]

    @property
    def failures(self) -> list[str]:
        """Say why this run is another result than the reference; empty where it is the same."""
        if self.cells.empty:
            return ["no cell has an AMI in this run and in the reference"]
        flips = [
            f"the verdict on {row.Index} is {row.verdict}, in the reference {row.reference}"
            for row in self.flipped.itertuples()
        ]
        far = self.groups[self.groups["difference"].abs() > ALLOWED]
        moved = [
            f"the mean of {encoder} on {group} is {row['difference']:+.1f} points from the "
            f"reference, more than {ALLOWED}"
            for (group, encoder), row in far.iterrows()
        ]
        return flips + moved


def folder(profile: str) -> Path:
    """Folder of a profile's reference run."""
    return ROOT / "docs" / "reference" / profile


def machine(profile: Profile) -> dict:
    """Describe what a run was made with: processor, system, versions, settings for all cells."""
    # Of clusterers that are not of the study only those of the profile.
    clusterers = {*study_clusterers(), *profile.clusterers}
    facts = [*REDUCERS.facts().values(), *(CLUSTERERS[name].facts for name in clusterers)]
    libraries = {*LIBRARIES, *(library for one in facts for library in one.libraries)}
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "system": _system(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "libraries": versions(*sorted(libraries)),
        "settings": profile.model_dump(mode="json", include={"max_samples", "precision"}),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        name = f"{platform.system()} {platform.release()}"
    return f"{name}, {platform.machine()}"


def _settings(recipe: dict | None) -> str:
    """Write a recipe in a few words; a cell that was not computed has none."""
    if not isinstance(recipe, dict):
        return ""
    reduction = recipe["reduction"]
    size = reduction["n_components"] or reduction["variance"]
    words = ["z-score"] * reduction["zscore"] + [reduction["method"]] + [f"{size}"] * bool(size)
    own = [f"{name}={value}" for name, value in sorted(recipe["settings"].items())]
    return " ".join([*words, *own])


def this_run(profile: Profile, table: pd.DataFrame, ledger: pd.DataFrame) -> Run:
    """Collect what is compared of a run.

    Parameters
    ----------
    profile
        What was run.
    table
        Results, as `sweep` gives them.
    ledger
        Numbers of the ledger, as `claims.claim_numbers` gives them.
    """
    columns = [*KEYS, *FACTS, "settings", "status", "n_clusters", *SCORES]
    # Where all cells are absent, none has a recipe.
    recipes = table["recipe"] if "recipe" in table else [None] * len(table)
    cells = table.assign(settings=[_settings(recipe) for recipe in recipes])[columns]
    kinds = {"n_clusters": "Int64"} | dict.fromkeys(SCORES, float)
    cells = cells.astype(kinds).round(DIGITS)
    return Run(profile.name, cells, ledger.round(LEDGER_DIGITS), machine(profile))


def finished_run(profile: Profile, figures: Path) -> tuple[Run, pd.DataFrame]:
    """Collect a run that is finished from what is stored; return it and all of its results.

    Parameters
    ----------
    profile
        What was run.
    figures
        Where its notebooks wrote tables to.

    Raises
    ------
    UnfinishedError
        Cells have no results yet, or notebook 11 was not executed.
    """
    planned, build = plan(profile, skip_unreadable=True), build_folder()
    table, unfinished = survey(planned, build, memory_available())
    left = sum(len(job.cells) for job in unfinished)
    if left or not (figures / LEDGER).exists():
        what = f"{_cells(left)} without a result" if left else f"{figures / LEDGER} is not there"
        raise UnfinishedError(f"{what}: make all PROFILE={profile.name} first")
    table = table.astype(dict.fromkeys(SCORES, float)).round(dict.fromkeys(SCORES, DIGITS))
    return this_run(profile, table, pd.read_csv(figures / LEDGER, index_col="key")), table


def read(profile: str) -> Run | None:
    """Read the reference run of a profile; None where there is none."""
    place = folder(profile)
    if not place.is_dir():
        return None
    numbers = {name: [""] for name in ("n_clusters", *SCORES)}
    cells = pd.read_csv(place / "cells.csv", keep_default_na=False, na_values=numbers)
    ledger = pd.read_csv(place / "ledger.csv", index_col="key")
    return Run(profile, cells, ledger, json.loads((place / "machine.json").read_text()))


def write(run: Run, figures: Path, quotes: pd.DataFrame | None = None) -> Path:
    """Put a run in the place of its profile's reference run, and return the folder.

    Parameters
    ----------
    run
        As `finished_run` gives it.
    figures
        Where its notebooks wrote tables to.
    quotes
        The numbers that a document quotes, as `quotes.quotes` gives them; None where none does.
    """
    place = folder(run.profile)
    texts = {
        "cells.csv": run.cells.to_csv(index=False),
        "ledger.csv": run.ledger.to_csv(),
        "machine.json": json.dumps(run.machine, indent=1, ensure_ascii=False) + "\n",
        **{name: (figures / there).read_text() for name, there in TABLES.items()},
    }
    if quotes is not None:
        texts["numbers.csv"] = quotes.to_csv(index=False)
    for name, text in texts.items():
        with atomic_path(place / name) as draft:
            draft.write_text(text)
    return place


def compare(run: Run, reference: Run) -> Comparison:
    """Compare a run with the reference run.

    Means and ranks are over the cells that have an AMI on both sides, so that a cell that one side
    lacks moves none; such cells are counted and named.
    """
    sides = run.cells.merge(
        reference.cells, on=KEYS, how="outer", suffixes=("", "_reference"), indicator=True
    )
    both = sides[sides["_merge"] == "both"]
    scored = both[both["ami"].notna() & both["ami_reference"].notna()]
    difference = 100 * (scored["ami"] - scored["ami_reference"])
    scored = scored.assign(difference=difference.round(DIGITS - 2))
    ledgers = [side.ledger["verdict"] for side in (run, reference)]
    return Comparison(
        scored[[*KEYS, *FACTS, "ami", "ami_reference", "difference"]],
        *_means_and_ranks(scored),
        pd.concat(ledgers, axis=1, join="inner", keys=["verdict", "reference"]),
        [
            *_cells_alone(sides),
            *_settings_alone(both),
            *_ledger_alone(*(ledger.index for ledger in ledgers)),
            *_machines_alone(run.machine, reference.machine),
        ],
    )


def _means_and_ranks(scored: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute `groups` and `ranks` of a comparison from its `cells`."""
    if scored.empty:
        return pd.DataFrame({"difference": []}), pd.DataFrame({"rank": [], "reference": []})
    sides = {"rank": scored, "reference": scored.assign(ami=scored["ami_reference"])}
    keys = ["group", "encoder_name"]
    here, there = (ami_by_group(side).set_index(keys)["mean"] for side in sides.values())
    ranks = {name: mean_ranks(side)["mean rank"] for name, side in sides.items()}
    return pd.DataFrame({"difference": here - there}), pd.DataFrame(ranks)


def _listed(names) -> str:
    names = list(dict.fromkeys(map(str, names)))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _name(cell) -> str:
    return f"{cell.dataset} / {cell.encoder} / {cell.clusterer} / seed {cell.seed}"


def _names(cells: pd.DataFrame) -> list[str]:
    return [_name(cell) for cell in cells.itertuples()]


def _cells_alone(sides: pd.DataFrame) -> list[str]:
    """Name the cells that one side lacks, and those that have an AMI on one side only."""
    said = []
    for which, where in (("left_only", "here"), ("right_only", "in the reference")):
        cells, rest = sides[sides["_merge"] == which], sides[sides["_merge"] != which]
        # Names that the other side has nowhere say more than cell by cell.
        new = {name: sorted(set(cells[name]) - set(rest[name])) for name in KEYS}
        parts = [f"{kind} {_listed(names)}" for kind, names in new.items() if names]
        what = "; ".join(parts) or _listed(_names(cells))
        said += [f"{_cells(len(cells))} only {where}: {what}."] if len(cells) else []
    both = sides[sides["_merge"] == "both"]
    known, known_there = both["ami"].notna(), both["ami_reference"].notna()
    sole = (_names(both[known & ~known_there]), _names(both[known_there & ~known]))
    return said + _only(lambda n: f"{_cells(n)} with an AMI", *sole)


def _cells(n: int) -> str:
    return f"{n} cell{'s' * (n > 1)}"


def _settings_alone(both: pd.DataFrame) -> list[str]:
    """Name the recipes that differ."""
    other = both[both["settings"] != both["settings_reference"]]
    if other.empty:
        return []
    recipes = other.drop_duplicates(["encoder", "clusterer"])
    what = _listed(
        f"{row.encoder} / {row.clusterer} ({row.settings or 'none'}, in the reference "
        f"{row.settings_reference or 'none'})"
        for row in recipes.itertuples()
    )
    return [f"{_cells(len(other))} with other settings: {what}."]


def _ledger_alone(here: pd.Index, there: pd.Index) -> list[str]:
    """Name the statistics that one side lacks."""
    sole = (here.difference(there), there.difference(here))
    return _only("{} of the ledger's statistics".format, *sole)


def _only(counted: Callable[[int], str], here: Sequence[str], there: Sequence[str]) -> list[str]:
    """Name what one side alone has, after the words that count it."""
    sides = {"here": here, "in the reference": there}
    return [
        f"{counted(len(names))} only {where}: {_listed(names)}."
        for where, names in sides.items()
        if len(names)
    ]


def _machines_alone(here: dict, there: dict) -> list[str]:
    """Name versions and settings that differ."""
    said = []
    for kind in ("libraries", "settings"):
        parts = []
        for name in sorted(here[kind].keys() | there[kind].keys()):
            mine, its = (side[kind].get(name, "none") for side in (here, there))
            parts += [f"{name} {mine} (reference: {its})"] if mine != its else []
        if parts:
            said.append(f"Other {kind} ({len(parts)}): {_listed(parts)}.")
    return said


def beside_reference(run: Run) -> tuple[str, list[str]]:
    """Say how far a run is from its profile's reference run.

    Returns
    -------
    said
        In Markdown; that there is no reference run, where there is none.
    failures
        Why this run is another result, as `Comparison.failures` has it.
    """
    there = read(run.profile)
    if there is None:
        return f"There is no reference run of the profile `{run.profile}`.", []
    found = compare(run, there)
    return say(found, run.machine, there.machine), found.failures


def say(found: Comparison, here: dict, there: dict) -> str:
    """Say in Markdown how far a run is from the reference run.

    Parameters
    ----------
    found
        As `compare` gives it.
    here, there
        Machines of the run and of the reference.
    """
    opening = f"The reference run: {_written(there)}. This run: {_written(here)}."
    said = [*_said_of_scores(found), *_said_of_verdicts(found), *found.alone]
    return f"{opening}\n\n{bullets(said)}"


def _written(described: dict) -> str:
    return (
        f"{described['processor']} ({described['processors']} processors), {described['system']}, "
        f"Python {described['python']}, {described['date']}"
    )


def _said_of_scores(found: Comparison) -> list[str]:
    if found.cells.empty:
        return ["**No cell** has an AMI in both: there is nothing to compare."]
    size = found.cells["difference"].abs()
    worst = _name(found.cells.loc[size.idxmax()])
    same = int((size == 0).sum())
    cells = (
        f"**Cells**: {len(size)} have an AMI in both; {same} have the same, and the difference is "
        f"{size.mean():.2f} points on average and {size.max():.1f} at most"
    )
    moves = found.groups["difference"].abs()
    group, encoder = moves.idxmax()
    ranks = found.ranks
    order = ranks.rank(method="min")
    moved = order.index[order["rank"] != order["reference"]]
    rho = float(spearman(*ranks[["rank", "reference"]].to_numpy().T))
    return [
        f"{cells} ({worst})." if same < len(size) else f"{cells}.",
        f"**Means of groups**, encoder by encoder: {moves.mean():.2f} points on average and "
        f"{moves.max():.2f} at most ({encoder}, {group}); {ALLOWED} are allowed.",
        f"**Ranks of encoders**: {len(moved)} of {len(order)} stand in another place by their mean "
        f"rank"
        + (f" ({_listed(moved)})" if len(moved) else "")
        + (f"; Spearman's ρ with the reference is {rho:.3f}." if rho == rho else "."),
    ]


def _said_of_verdicts(found: Comparison) -> list[str]:
    flips = [
        f"{r.Index}: {r.verdict} (reference: {r.reference})" for r in found.flipped.itertuples()
    ]
    if flips:
        listed = "; ".join(flips)
        return [f"**Verdicts**: {len(flips)} of {len(found.verdicts)} are others: {listed}."]
    return [f"**Verdicts**: all {len(found.verdicts)} are those of the reference."]
