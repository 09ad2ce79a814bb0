"""The page of datasets and encoders: docs/roster.md, made from the tables and the registers.

To write it anew, after a dataset or an encoder changed: `python docs/roster.py`.
"""

from __future__ import annotations

import pandas as pd

from zsc_utils.cache import ROOT
from zsc_utils.datasets import DATASETS, load_dataset
from zsc_utils.datasets.study.tables import sources_table, study_table
from zsc_utils.encoders import ENCODERS
from zsc_utils.encoders.weights import WeightsFile
from zsc_utils.sweep.profile import load_profile

PAGE = ROOT / "docs" / "roster.md"


def study_datasets() -> pd.DataFrame:
    """Describe the study's datasets by its table: a row for each of them that `paper` names."""
    table = study_table().loc[list(load_profile("paper").datasets)]
    links = sources_table()["page"]
    return pd.DataFrame(
        {
            "short": table["short"],
            "group": table["group"],
            "images": [number(n) for n in table["n_samples"]],
            "classes": [number(n) for n in table["n_classes"]],
            "images a class": [
                "" if pd.isna(n) else f"{n:.0f}" for n in table["n_samples"] / table["n_classes"]
            ],
            "a class is a": table["label"],
            "other labels": table["other_labels"].fillna("").str.replace("; ", ", "),
            "from": [f"[page]({links[name]})" for name in table.index],
        }
    )


def miniature_datasets() -> pd.DataFrame:
    """Describe the datasets of `mini`, which are all there, from their labels."""
    rows = {}
    for name in load_profile("mini").datasets:
        opened = load_dataset(name)
        label = opened.facts.label
        sizes = opened.labels[label].value_counts()
        others = [level for level in opened.labels if level != label]
        rows[name] = {
            "short": opened.facts.display,
            "group": opened.facts.group,
            "images": number(len(opened)),
            "classes": number(len(sizes)),
            "smallest, largest class": f"{sizes.min()}, {sizes.max()}",
            "a class is a": label,
            "other labels": ", ".join(others),
            "from": opened.facts.source,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def encoders(profile: str) -> pd.DataFrame:
    """Describe the encoders of a profile by the register."""
    rows = {}
    for name in load_profile(profile).encoders:
        facts = ENCODERS[name].facts
        rows[name] = {
            "in figures": facts.display,
            "backbone": facts.backbone,
            "pretrained by": facts.method,
            "saw labels": "yes" if facts.labels else "no",
            "fine-tuned from": f"`{facts.fine_tuned_from}`" if facts.fine_tuned_from else "",
            "weights": ", ".join(map(source, facts.weights)) or "none",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def source(weights) -> str:
    """Say where weights come from: an installed package, a file of the project, an address."""
    if isinstance(weights, str):
        return f"package {weights}"
    if isinstance(weights, WeightsFile):
        return f"[{weights.names[0]}]({weights.url})" if weights.url else "not published"
    return f"`{weights.relative_to(ROOT).as_posix()}`"


def number(n: float) -> str:
    """Write a whole number; nothing where it is not known."""
    return "" if pd.isna(n) else f"{n:,.0f}"


def as_markdown(table: pd.DataFrame) -> str:
    """Write a table whose index holds names that a profile may use."""
    named = table.set_axis([f"`{name}`" for name in table.index])
    right = {"images", "classes", "images a class", "smallest, largest class"}
    sides = ["left", *("right" if column in right else "left" for column in named)]
    return (
        named.rename_axis("name")
        .reset_index()
        .to_markdown(index=False, colalign=sides, disable_numparse=True)
    )


def page() -> str:
    """Write the page."""
    asked = {name: load_profile(name) for name in ("paper", "mini")}
    groups = pd.Series([DATASETS[name].facts.group for name in asked["paper"].datasets])
    counts = ", ".join(f"{n} {group}" for group, n in groups.value_counts(sort=False).items())
    parts = [
        "# Datasets and encoders",
        "What the profiles `paper` and `mini` run on. This page is made from the package's tables "
        "and registers (`python docs/roster.py`); a test holds it to them. Where the files "
        "of the study's datasets go, [another page](datasets.md) says; how the miniature is made, "
        "[a third](miniature.md).",
        "## The study's datasets",
        f"{len(groups)} datasets, of each the part that is clustered: {counts}. An empty cell is a "
        "number that the study's table does not give; how even the classes are, only the labels "
        "tell, once the files are there.",
        as_markdown(study_datasets()),
        "## The study's encoders",
        f"{len(asked['paper'].encoders)} encoders, pretrained on ImageNet-1k but for raw pixels "
        "and random weights.",
        as_markdown(encoders("paper")),
        "## The miniature's datasets",
        f"{len(asked['mini'].datasets)} datasets, which come with the project or with libraries; "
        f"`mini` takes {asked['mini'].max_samples} images of each at most.",
        as_markdown(miniature_datasets()),
        "## The miniature's encoders",
        as_markdown(encoders("mini")),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
