"""Sections 1 to 5 of the study on made-up results: seeds, failures, too little of everything."""

import json

import IPython.display
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT

from zsc_utils import datasets
from zsc_utils.study import base, figures, samples, silhouettes, variance

SECTIONS = sorted((ROOT / "notebooks").glob("0[1-5]_*.ipynb"))
ENCODERS = {
    "raw_pixels": ("Raw image", "none", "none", False, None),
    "mini_xent_resnet": ("X-Ent, net", "net", "X-Ent", True, None),
    "mini_vicreg_resnet": ("VICReg, net", "net", "VICReg", False, None),
    "mini_vicreg_resnet_ft": ("VICReg [FT], net", "net", "VICReg", True, "mini_vicreg_resnet"),
}


def results(seeds=(1,)):
    """A table of results whose scores are drawn."""
    rng = np.random.default_rng(0)
    rows = []
    for dataset in ("digits", "mini-inat", "mini-bioscan"):
        facts = datasets.DATASETS[dataset].facts
        levels = facts.taxonomy or (facts.label,)
        for encoder, (name, backbone, method, labels, before) in ENCODERS.items():
            for clusterer in ("kmeans", "ac/c"):
                for seed in seeds:
                    ami = rng.uniform(0.1, 0.9)
                    rows.append(
                        {
                            "dataset": dataset,
                            "dataset_name": facts.display,
                            "group": facts.group,
                            "encoder": encoder,
                            "encoder_name": name,
                            "backbone": backbone,
                            "method": method,
                            "labels": labels,
                            "fine_tuned_from": before,
                            "clusterer": clusterer.replace("/", "_"),
                            "clusterer_name": clusterer.upper(),
                            "seed": seed,
                            "status": "ok",
                            "reason": "",
                            "n_clusters": 5,
                            "ami": ami,
                            "ami_by_level": dict.fromkeys(levels, ami),
                            **dict(zip(base.SPACES, rng.uniform(-1, 1, 2), strict=True)),
                        }
                    )
    return pd.DataFrame(rows)


def failed(table, chosen):
    """The table with some cells failed."""
    table = table.copy()
    table.loc[chosen, ["ami", *base.SPACES]] = np.nan
    table.loc[chosen, ["status", "reason"]] = ["failed", "it broke"]
    table.loc[chosen, "ami_by_level"] = None
    return table


def curves(table):
    """Variance curves of what has results."""
    curve = variance.variance_curve(np.array([0.6, 0.3, 0.1]), 6)
    names = ["encoder", "encoder_name", "dataset_name"]
    scored = base.with_score(table).drop_duplicates(names)[names]
    parts = [curve.assign(**row) for row in scored.to_dict("records")]
    return pd.concat(parts, ignore_index=True) if parts else variance.variance_curves([])


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the code of a notebook on a table; give what each cell displays in Markdown."""

    def run(path, table):
        said = [[]]
        monkeypatch.setattr("zsc_utils.sweep.run.sweep", lambda *args, **kwargs: table)
        drawn = curves(table)
        monkeypatch.setattr(variance, "variance_curves", lambda *args: drawn)
        # There are no clusters behind a made-up table.
        monkeypatch.setattr(samples, "best_clustering", lambda *args: None)
        monkeypatch.setattr(figures, "save_figure", lambda *args: plt.close("all"))
        few = {"resamples": 20, "seed": 0}
        monkeypatch.setattr(silhouettes.silhouette_correlation, "__kwdefaults__", few)
        monkeypatch.setattr(
            IPython.display, "display", lambda shown: said[-1].append(getattr(shown, "data", ""))
        )
        names = {f"{kind}s": list(table[kind].unique()) for kind in ("dataset", "encoder")}
        names |= {"clusterers": ["kmeans"], "max_samples": 40, "reference": "mini_xent_resnet"}
        profile = tmp_path / "made_up.yaml"
        profile.write_text(yaml.safe_dump({"description": "made up", **names}))
        space = {}
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code":
                said.append([])
                exec("".join(cell["source"]), space)
                if "parameters" in cell["metadata"].get("tags", []):
                    space |= {"profile": str(profile), "figures": tmp_path}
        return ["\n".join(map(str, texts)) for texts in said]

    return run


CASES = {
    "one encoder and one dataset": lambda t: t.query(
        "encoder == 'mini_xent_resnet' and dataset == 'mini-inat'"
    ),
    "a group without results": lambda t: failed(t, (t["group"] == "Far-OOD") | (t.index % 5 == 0)),
    "nothing but failures": lambda t: failed(t, t["seed"] == 1),
}


@pytest.mark.parametrize("path", SECTIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("case", CASES)
def test_section_runs_on_bad_input(run, path, case):
    said = run(path, CASES[case](results()))
    assert "**" in said[-1] and "nan" not in said[-1].lower()
    count = sum("failed" in text for text in said)
    assert bool(count) == ("one encoder" not in case)
    if case == "nothing but failures":
        assert "Undecided" in said[-1] or "undecided" in said[-1]


@pytest.mark.parametrize("path", SECTIONS[:2], ids=lambda path: path.stem)
def test_section_says_which_group_has_nothing(run, path):
    said = "\n".join(run(path, CASES["a group without results"](results())))
    assert "**Far-OOD**: nothing to compare; none of its 1 datasets has a result (1 failed)" in said
    assert "So 0 of 1 groups could show a difference" in said
    alone = "\n".join(run(path, results().query("dataset != 'mini-bioscan'")))
    assert "no standard error, interval or p for Far-OOD, Fine-grained." in alone


def test_choosing_says_when_there_is_nothing_to_choose(run):
    said = run(SECTIONS[4], CASES["one encoder and one dataset"](results()))
    assert "**Choosing the encoder** by S: undecided" in said[-1]
    assert "**Choosing the clusterer** of highest S loses" in said[-1]


@pytest.mark.parametrize("path", SECTIONS, ids=lambda path: path.stem)
def test_section_tells_the_seeds(run, path, tmp_path):
    table = results(seeds=(1, 2))
    said = run(path, table)
    if path.name.startswith("04"):  # nothing random in it
        assert "seed" not in said[-1]
        return
    assert "**2 seeds** (1, 2) were run" in said[-1]
    assert "**One seed** (1) was run" in run(path, results())[-1]
    if path.name.startswith("01"):
        spread = pd.read_csv(tmp_path / "01_seeds.csv").set_index("clusterer")
        one = table.query("clusterer == 'kmeans'").groupby(["dataset", "encoder"])["ami"]
        # The standard deviation of two values is their distance over √2.
        apart = 100 * (one.max() - one.min()) / np.sqrt(2)
        assert spread.loc["KMEANS", "mean"] == pytest.approx(apart.mean())
        assert spread.loc["KMEANS", "cells"] == 12
