"""The reference run: what is kept, how a run is compared with it, and what documents quote."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from typer.testing import CliRunner

from zsc_utils.cli import app
from zsc_utils.encoders import ENCODERS
from zsc_utils.study import quotes, reference
from zsc_utils.study.encoders import ami_by_group
from zsc_utils.study.reference import Run, UnfinishedError, compare, say
from zsc_utils.study.silhouettes import silhouette_correlation
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.run import sweep

MACHINE = {
    **{
        "processor": "one",
        "processors": 2,
        "system": "some",
        "python": "3.12",
        "date": "2026-01-01",
    },
    "libraries": {"numpy": "2.0", "torch": "2.5"},
    "settings": {"max_samples": 80, "precision": "fp32"},
}
ENCODER_NAMES = {"raw": "Raw image", "xent": "X-Ent", "dino": "DINO"}
REFERENCE = ROOT / "docs" / "reference"


def run_of(shift=0.0, verdicts=("supported", "undecided")):
    """A run of two datasets in two groups; `shift` is added to every AMI of X-Ent on digits."""
    rows = []
    for dataset, group in (("digits", "Far-OOD"), ("mini-inat", "Fine-grained")):
        for i, encoder in enumerate(ENCODER_NAMES):
            for clusterer in ("kmeans", "hdbscan"):
                ami = 0.2 * i + 0.1 * (clusterer == "kmeans")
                moved = shift if (dataset, encoder) == ("digits", "xent") else 0
                facts = {"group": group, "dataset_name": dataset.title()}
                rows.append(
                    {"dataset": dataset, "encoder": encoder, "clusterer": clusterer, "seed": 1}
                    | facts
                    | {"encoder_name": ENCODER_NAMES[encoder], "settings": "none", "status": "ok"}
                    | {"n_clusters": 10, "ami": ami + moved}
                    | {"silhouette_original": 0.1, "silhouette_umap": 0.2}
                )
    ledger = pd.DataFrame({"verdict": verdicts}, index=pd.Index(["C1", "C5a"], name="key"))
    return Run("made-up", pd.DataFrame(rows), ledger, MACHINE)


def said(run, other):
    return say(compare(run, other), run.machine, other.machine)


def test_the_same_run_is_the_same():
    found = compare(run_of(), run_of())
    assert found.failures == [] and found.alone == []
    text = said(run_of(), run_of())
    assert "12 have an AMI in both; 12 have the same" in text and "0.00 points on average" in text
    assert "0 of 3 stand in another place" in text and "ρ with the reference is 1.000" in text
    assert "all 2 are those of the reference" in text


def test_differences_are_in_points_and_the_largest_is_named():
    found = compare(run_of(0.012), run_of())
    assert found.cells["difference"].abs().max() == pytest.approx(1.2)
    assert found.groups["difference"].to_dict() == pytest.approx(
        {key: 1.2 * (key == ("Far-OOD", "X-Ent")) for key in found.groups.index}
    )
    assert found.failures == []
    text = said(run_of(0.012), run_of())
    assert "10 have the same, and the difference is 0.20 points on average and 1.2 at most" in text
    assert "1.20 at most (X-Ent, Far-OOD)" in text


def test_a_mean_that_moves_too_far_is_a_failure():
    assert compare(run_of(0.0149), run_of()).failures == []
    (failure,) = compare(run_of(-0.016), run_of()).failures
    assert "X-Ent on Far-OOD is -1.6 points" in failure


def test_a_verdict_that_flips_is_a_failure():
    other = run_of(verdicts=("supported", "contradicted"))
    (failure,) = compare(run_of(), other).failures
    assert failure == "the verdict on C5a is undecided, in the reference contradicted"
    assert "1 of 2 are others: C5a: undecided (reference: contradicted)" in said(run_of(), other)


def test_an_encoder_that_changes_its_place_is_named():
    # First on digits, second on the other: level with DINO, which was first on both.
    text = said(run_of(0.9), run_of())
    assert "1 of 3 stand in another place by their mean rank (X-Ent)" in text


def test_what_is_on_one_side_only_is_counted_and_named():
    run, other = run_of(), run_of(0.5)
    mine = run.cells[run.cells["encoder"] != "xent"].copy()
    mine.loc[0, "ami"] = np.nan
    mine.loc[1, "settings"] = "umap 50"
    machine = MACHINE | {
        "libraries": {"numpy": "2.0", "torch": "2.6", "timm": "1"},
        "settings": {"max_samples": 90, "precision": "fp32"},
    }
    run = replace(run, cells=mine, machine=machine, ledger=run.ledger.loc[["C1"]])
    found = compare(run, other)
    assert found.alone == [
        "4 cells only in the reference: encoder xent.",
        "1 cell with an AMI only in the reference: digits / raw / kmeans / seed 1.",
        "1 cell with other settings: raw / hdbscan (umap 50, in the reference none).",
        "1 of the ledger's statistics only in the reference: C5a.",
        "Other libraries (2): timm 1 (reference: none), torch 2.6 (reference: 2.5).",
        "Other settings (1): max_samples 90 (reference: 80).",
    ]
    # What one side lacks moves no mean: these are over the cells of both.
    assert len(found.cells) == 7 and found.failures == []


def test_cells_that_no_name_tells_apart_are_named_one_by_one():
    run = run_of()
    found = compare(replace(run, cells=run.cells.drop(index=[2, 5])), run)
    assert found.alone == [
        "2 cells only in the reference: digits / dino / hdbscan / seed 1, "
        "digits / xent / kmeans / seed 1."
    ]


def test_another_seed_has_nothing_to_compare():
    run = run_of()
    found = compare(replace(run, cells=run.cells.assign(seed=2)), run)
    assert found.failures == ["no cell has an AMI in this run and in the reference"]
    assert "12 cells only here: seed 2." in found.alone
    assert "**No cell**" in say(found, MACHINE, MACHINE)


def test_what_is_written_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "folder", lambda profile: tmp_path / "reference" / profile)
    for name in reference.TABLES.values():
        (tmp_path / name).write_text(f"| {name} |\n")
    run = run_of()
    run.cells.loc[3, ["ami", "n_clusters", "settings"]] = [np.nan, np.nan, ""]
    place = reference.write(run, tmp_path)
    assert (place / "groups.md").read_text() == "| 01_groups.md |\n"
    assert not (place / "numbers.csv").exists()
    found = reference.read("made-up")
    pd.testing.assert_frame_equal(found.cells, run.cells, check_dtype=False)
    pd.testing.assert_frame_equal(found.ledger, run.ledger)
    assert found.machine == MACHINE
    text, failures = reference.beside_reference(run)
    assert "11 have the same" in text and failures == []
    text, failures = reference.beside_reference(replace(run, profile="other"))
    assert text == "There is no reference run of the profile `other`." and failures == []


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A profile of one cell, of too few images for UMAP to take its time, and an empty build."""
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path / "build"))
    path = tmp_path / "tiny.yaml"
    path.write_text(
        "description: tiny\ndatasets: [digits]\nencoders: [raw_pixels]\n"
        "clusterers: [kmeans]\nmax_samples: 40\nreference: raw_pixels\n"
    )
    return path


def test_a_run_is_collected_from_what_is_stored(tiny, tmp_path):
    profile = load_profile(str(tiny))
    with pytest.raises(UnfinishedError, match="1 cell without a result: make all PROFILE=tiny"):
        reference.finished_run(profile, tmp_path)
    computed = sweep(profile, progress=False)
    with pytest.raises(UnfinishedError, match=r"11_statistics.csv is not there: make all"):
        reference.finished_run(profile, tmp_path)
    run_of().ledger.to_csv(tmp_path / reference.LEDGER)
    run, table = reference.finished_run(profile, tmp_path)
    (ami,) = computed["ami"].round(reference.DIGITS)
    assert run.cells["ami"].tolist() == table["ami"].tolist() == [ami]
    assert run.cells["settings"].tolist() == ["z-score pca 0.9"]
    assert run.machine["settings"] == {"max_samples": 40, "precision": "fp32"}
    assert {"torch", "umap-learn", "hdbscan", "pacmap"} <= run.machine["libraries"].keys()
    # Of what is not of the study only what the profile names.
    assert "evoc" not in run.machine["libraries"]


def test_compare_refuses_what_is_not_finished(tiny):
    found = CliRunner().invoke(app, ["compare", "--profile", str(tiny)])
    assert found.exit_code == 2 and "1 cell without a result: make all" in found.stderr


def test_compare_ends_with_status_1_where_it_is_another_result(monkeypatch):
    monkeypatch.setattr(reference, "finished_run", lambda *args: (run_of(0.2), None))
    monkeypatch.setattr(reference, "read", lambda profile: run_of())
    found = CliRunner().invoke(app, ["compare", "--profile", "smoke"])
    assert found.exit_code == 1 and "X-Ent on Far-OOD is +20.0 points" in found.stderr
    assert "**Verdicts**: all 2" in found.stdout
    monkeypatch.setattr(reference, "finished_run", lambda *args: (run_of(0.001), None))
    assert CliRunner().invoke(app, ["compare", "--profile", "smoke"]).exit_code == 0


# The reference that is kept.


@pytest.fixture(scope="module")
def kept():
    return reference.read("mini")


def test_the_kept_reference_has_every_cell_of_its_profile(kept):
    profile = load_profile("mini")
    asked = pd.MultiIndex.from_product(
        [profile.datasets, profile.encoders, profile.clusterers, profile.seeds]
    )
    assert set(kept.cells[reference.KEYS].itertuples(index=False, name=None)) == set(asked)
    assert kept.cells["ami"].notna().all()
    assert kept.ledger["verdict"].isin(["supported", "contradicted", "undecided"]).all()
    assert kept.machine["settings"]["max_samples"] == profile.max_samples


def test_the_kept_tables_are_those_of_the_kept_cells(kept):
    shown = pd.read_csv(
        REFERENCE / "mini" / "groups.md", sep=r"\s*\|\s*", engine="python", skiprows=[1]
    ).dropna(axis=1, how="all")
    means = ami_by_group(kept.cells)
    wide = means.pivot(index="encoder_name", columns="group", values="mean")
    for group in means["group"].unique():
        (column,) = [name for name in shown if name.startswith(group)]
        read = shown.set_index("encoder_name")[column].str.split(" ± ").str[0].astype(float)
        # Shown to a tenth, of scores that are kept to a thousandth.
        assert (read - wide.loc[read.index, group]).abs().max() < 0.052


def test_the_kept_numbers_are_those_of_the_kept_cells(kept, monkeypatch):
    # The intervals of ρ are not quoted, and take most of the time.
    monkeypatch.setattr(silhouette_correlation, "__kwdefaults__", {"resamples": 2, "seed": 0})
    facts = {name: ENCODERS[name].facts for name in kept.cells["encoder"].unique()}
    table = kept.cells.assign(
        **{
            field: [getattr(facts[name], field) for name in kept.cells["encoder"]]
            for field in ("backbone", "method", "labels", "fine_tuned_from")
        },
        clusterer_name=kept.cells["clusterer"],
    )
    computed = pd.concat(
        [
            quotes.quotes_of_cells(load_profile("mini"), table),
            quotes.quotes_of_ledger(kept.ledger),
        ]
    )
    written = pd.read_csv(REFERENCE / "mini" / "numbers.csv", keep_default_na=False)
    keys = ["claim", "what"]
    written = written.set_index(keys)["text"]
    for row in computed.itertuples():
        assert written[row.claim, row.what] == row.text
    assert not written.index.duplicated().any()
