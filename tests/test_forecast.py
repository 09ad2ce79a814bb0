from dataclasses import replace

import pytest

from zsc_utils.recipes import Reduction
from zsc_utils.sweep import costs, forecast
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.costs import fitting
from zsc_utils.sweep.profile import load_profile

UMAP = Reduction("umap", n_components=50)


@pytest.fixture
def jobs(tmp_path):
    return digits(tmp_path)


def digits(build, **changes):
    """Digits by raw pixels: K-means on PCA, spectral as they are, HDBSCAN on UMAP."""
    changes = {"clusterers": ["kmeans", "spectral", "hdbscan"]} | changes
    names = {"datasets": ["digits"], "encoders": ["raw_pixels"]} | changes
    return fitting(plan(load_profile("smoke", **names)), build, 1e12)


def test_reductions_are_counted_once_and_not_again_when_they_are_kept(jobs, tmp_path, smoke):
    found = forecast.not_reduced(jobs, tmp_path)
    # The UMAPs of seed 1, and of seed 42 for silhouettes.
    assert [reduction.method for _, reduction in found] == ["pca", "umap", "umap"]
    assert forecast.not_reduced(jobs, smoke) == []
    # Another seed is another UMAP, but for silhouettes.
    (another,) = digits(smoke, seeds=[2])
    assert forecast.not_reduced([another], smoke) == [(another.size, UMAP)]


def test_table_of_steps(jobs, tmp_path):
    table = forecast.table_of_steps(jobs, forecast.not_reduced(jobs, tmp_path)).set_index("step")
    names = ["K-means", "Spectral", "HDBSCAN", "silhouettes", "PCA", "UMAP"]
    assert table.index.tolist() == names
    assert table["times"].tolist() == [1, 1, 1, 1, 1, 2]
    size = costs.Size(80, 3072, 10)
    assert table.loc["UMAP", "seconds"] == pytest.approx(2 * costs.step_cost("umap", size).seconds)
    assert table.loc["K-means", "bytes"] == costs.peak_bytes(jobs[0].cells[0][1], size)


def test_processes_share_what_embeddings_there_are(jobs, tmp_path):
    (job,) = jobs
    more = [job, *(replace(job, key=str(i)) for i in range(3))]
    start = costs.start_cost(80).seconds

    def time(left, n_jobs, memory=1e12):
        to_reduce = forecast.not_reduced(left, tmp_path)
        return forecast.clustering_seconds(left, to_reduce, memory, n_jobs) - start

    assert time(more, 1) == pytest.approx(4 * time([job], 1))
    assert time(more, 2) == pytest.approx(time(more, 1) / 2)
    # One embedding's cells are computed by one process.
    assert time([job], 4) == pytest.approx(time([job], 1))
    # Where memory has room for one process only, cells wait for each other.
    steps = forecast.reduction_steps(forecast.not_reduced(more, tmp_path))
    reductions = sum(cost.seconds for _, cost in steps)
    assert time(more, 4, memory=1) == pytest.approx(time(more, 1) - reductions * 3 / 4)


def test_disk(jobs, tmp_path):
    numbers = 80 * 3072 + 80 * 80 + 2 * 80 * 50
    assert forecast.disk_bytes(jobs, forecast.not_reduced(jobs, tmp_path)) == 4 * numbers


def with_encoder(job, **changes):
    facts = replace(job.encoder, **changes)
    return replace(job, source=replace(job.source, facts=facts))


def test_embeddings_of_unknown_speed(jobs):
    own = with_encoder(jobs[0], name="own", backbone="own")
    start = "embeddings, on one CPU core: "
    assert forecast.written_embeddings([own, own]) == f"{start}unknown for own"
    text = forecast.written_embeddings([jobs[0], own])
    assert text == f"{start}less than 1 min; unknown for own"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59, "less than 1 min"), (600, "about 10 min"), (5 * 3600, "about 300 min (5 h)")],
)
def test_minutes(seconds, text):
    assert forecast.minutes(seconds) == text


def test_what_is_printed(jobs, tmp_path):
    recipe = jobs[0].cells[0][1]
    enough = costs.peak_bytes(recipe, costs.Size(80, 3072, 10))
    lines = forecast.forecast(jobs, tmp_path, 2 * enough, 2).splitlines()
    assert lines[0] == "compute 3 of 3 cells and 1 embeddings (80 images)"
    assert lines[1].endswith("memory at most") and len(lines) == 11
    assert lines[-2] == "all else, in 2 processes at most: less than 1 min"
    assert lines[-1] == "disk: about 1 MB"
    lacking = with_encoder(jobs[0], name="dino_vitb16")
    source = replace(lacking.source, fingerprint={"absent": True})
    more = [*jobs, replace(lacking, source=source, absent="x")]
    (line,) = set(forecast.forecast(more, tmp_path, 2 * enough, 2).splitlines()[1:]) - set(lines)
    assert line.startswith("encoders without weights: 1 (dino_vitb16); their cells are not in")
    lines = forecast.forecast(jobs, tmp_path, 0.0, 2).splitlines()
    assert lines[:2] == ["compute 0 of 3 cells and 0 embeddings (0 images)", "skipped: 3 cells"]
    assert "digits" in lines[3] and "are there" in lines[3]
