import sys

import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import ROOT

from zsc_utils.clustering import CLUSTERERS
from zsc_utils.encoders import ENCODERS
from zsc_utils.recipes import Recipe, Reduction
from zsc_utils.sweep import costs
from zsc_utils.sweep.costs import Cost, Size
from zsc_utils.sweep.forecast import seconds_per_image

sys.path.append(str(ROOT / "benchmarks"))
from fit_costs import SCALING, fit, series, table_of_laws, table_of_speeds

STEPS = [name for name in CLUSTERERS if not name.startswith("ac_")]
STEPS += ["ward", "linkage", "umap", "pca", "silhouette"]
UMAP = Reduction("umap", n_components=50)


def table(rows, columns=("n", "d", "n_classes", "seconds", "bytes")):
    return pd.DataFrame(rows, columns=columns)


def shipped(step):
    """Laws of a step by the package's table, with the rows that each is fitted to."""
    for name, changed, rows in series(pd.read_csv(SCALING)):
        if name == step:
            yield costs.laws()[step, changed], rows


def test_tables_are_fitted_to_what_was_measured(tmp_path):
    measured = pd.read_csv(SCALING)
    for table, file in (
        (table_of_laws(measured), costs.LAWS),
        (table_of_speeds(measured), costs.SPEEDS),
    ):
        table.to_csv(tmp_path / "anew.csv", index=False, float_format="%.6g")
        pd.testing.assert_frame_equal(
            pd.read_csv(tmp_path / "anew.csv"), pd.read_csv(file), rtol=1e-4
        )


def test_a_power_law_is_found_again():
    # seconds = 1e-6 · n² · d^0.5, bytes = 24 n².
    rows = [(n, d, 20, 1e-6 * n**2 * d**0.5, 24 * n**2) for n in (1000, 2000) for d in (4, 64)]
    found = fit(table(rows), "linkage").predict(Size(50_000, 16))
    assert found.seconds == pytest.approx(1e-6 * 50_000**2 * 4)
    assert found.bytes == pytest.approx(24 * 50_000**2)


def test_small_sizes_do_not_count():
    rows = [(n, 50, 20, n / 1000, n * 70) for n in (1000, 2000, 4000)]
    law = fit(table([*rows, (500, 50, 20, 60, 10**9)]), "kmeans")
    assert law.predict(Size(8000, 50, 20)) == pytest.approx(Cost(8, 8000 * 70))


def test_what_does_not_vary_has_no_exponent():
    rows = [(n, 50, 20, n / 1000, n) for n in (1000, 2000, 4000)]
    law = fit(table(rows), "hdbscan")
    assert law.predict(Size(4000, 2000, 7)).seconds == pytest.approx(4)


def test_known_shapes_of_costs():
    # UMAP: a fifth of a millisecond for a sample and epoch; fewer epochs above 10 000 samples.
    umap = fit(table([(n, 9, 2, n * 5e2 * 2e-4, n) for n in (2000, 4000, 8000)]), "umap")
    assert umap.predict(Size(10_000, 9)).seconds == pytest.approx(1000)
    assert umap.predict(Size(20_000, 9)).seconds == pytest.approx(800)
    # PCA: n²d below n = d, nd² above.
    rows = [(n, d, 2, 1e-9 * n * d * min(n, d), 1) for n in (100, 200, 400) for d in (50, 300)]
    pca = fit(table(rows), "pca")
    assert pca.predict(Size(10, 1000)).seconds == pytest.approx(1e-9 * 10 * 10 * 1000)
    # Silhouettes: of few rows at a time.
    silhouette = fit(table([(n, 8, 2, n, 10 * n * 40) for n in (1000, 2000)]), "silhouette")
    assert silhouette.predict(Size(100_000, 18)).bytes == pytest.approx(10 * 100_000 * 50)
    # Spectral: eigenvectors for each class, and factors of pairs.
    rows = [(n, 50, 25, n, 8 * (1000 + n) * n) for n in (1000, 2000)]
    spectral = fit(table(rows), "spectral")
    assert spectral.predict(Size(1000, 50, 1025)).bytes == pytest.approx(8 * 12_000 * 1000)


@pytest.mark.parametrize("step", STEPS)
def test_the_table_of_the_package_predicts_its_own_largest(step):
    for law, rows in shipped(step):
        for (d, k), of_size in rows.groupby(["d", "n_classes"]):
            largest = of_size.sort_values("n").iloc[-1]
            found = law.predict(Size(int(largest["n"]), int(d), int(k)))
            assert 1 / 2 < found.seconds / largest["seconds"] < 2, (d, k)
            assert 1 / 1.5 < found.bytes / largest["bytes"] < 1.5, (d, k)


@pytest.mark.parametrize("step", STEPS)
def test_more_samples_cost_more(step):
    for d in (50, 768):
        small, large = (costs.step_cost(step, Size(n, d, 20)) for n in (10_001, 50_000))
        assert large.seconds > 2 * small.seconds and large.bytes >= small.bytes > 0


def test_what_a_reduction_leaves():
    size = Size(300, 2048, 7)
    assert costs.reduced_size(Reduction(zscore=True), size) == size
    assert costs.reduced_size(UMAP, size) == Size(300, 50, 7)
    assert costs.reduced_size(Reduction("pca", n_components=500), size) == Size(300, 300, 7)
    # How many dimensions hold this much of the variance is not known before: at most all.
    assert costs.reduced_size(Reduction("pca", variance=0.9), size) == Size(300, 300, 7)


def test_a_cell_holds_what_its_largest_step_does():
    size = Size(40_000, 768, 100)
    recipe = Recipe("affinity_propagation", UMAP)
    matrices = costs.step_cost("affinity_propagation", Size(40_000, 50, 100)).bytes
    data = 4 * 40_000 * 768
    assert costs.peak_bytes(recipe, size) == matrices + data + costs.start_cost(40_000).bytes
    # Silhouettes and their UMAP are part of every cell.
    light = costs.peak_bytes(Recipe("kmeans", UMAP), size)
    assert light >= data + costs.silhouettes_cost(size).bytes
    assert light < matrices


def test_ward_takes_memory_for_samples_and_other_linkages_for_pairs():
    size = Size(100_000, 768, 100)
    ward, average = (
        costs.clusterer_cost(Recipe("ac_with_c", UMAP, (("linkage", linkage),)), size)
        for linkage in ("ward", "average")
    )
    assert ward.bytes < 1e9 < 8 * 100_000**2 / 2 < average.bytes
    # Ward's is what is taken where a recipe names none.
    assert costs.clusterer_cost(Recipe("ac_without_c", UMAP), size) == ward


def test_backbones_that_were_measured():
    backbones = {facts.backbone for facts in ENCODERS.facts().values()}
    for backbone in backbones:
        assert 0 < seconds_per_image(backbone) < 60
    assert costs.dimensions("ViT-B/16") == 768 and costs.dimensions("none") == 32 * 32 * 3
    assert seconds_per_image("resnet18") is None
    assert costs.dimensions("resnet18") == max(map(costs.dimensions, backbones))


def control_groups(root, version, limits):
    """Write control groups `job` and `job/step` of these limits; each uses 1000 bytes."""
    names = {
        2: ("", "memory.max", "memory.current", "inactive_file"),
        1: ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    }
    folder, limit, use, files = names[version]
    for place, most in zip(("job", "job/step"), limits, strict=True):
        group = root / folder / place
        group.mkdir(parents=True)
        (group / limit).write_text(f"{most}\n")
        (group / use).write_text("1500\n")
        (group / "memory.stat").write_text(f"anon 7\n{files} 500\n")
    own = root / "own"
    own.write_text({2: "0::/job/step\n", 1: "5:cpu:/\n4:memory,x:/job/step\n0::/\n"}[version])
    return own


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("limits", "left"), [((9000, 8000), 7000), ((4000, 8000), 3000), ((900, 8000), 0)]
)
def test_memory_is_what_control_groups_leave(tmp_path, version, limits, left):
    own = control_groups(tmp_path, version, limits)
    assert costs.memory_available(own, tmp_path) == left


def test_memory_without_limits(tmp_path, monkeypatch):
    class Memory:
        available = 12_345

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory)
    own = control_groups(tmp_path, 2, ("max", "max"))
    assert costs.memory_available(own, tmp_path) == 12_345
    # No control groups, as on other systems than Linux.
    assert costs.memory_available(tmp_path / "absent", tmp_path / "nowhere") == 12_345


def test_what_is_said_of_memory():
    assert costs.lack_of_memory(5, 5) == ""
    reason = costs.lack_of_memory(41.2e9, 220e9 / 10)
    assert reason == "needs about 41.2 GB of memory; 22.0 GB are there"
    assert np.isfinite(costs.memory_available()) and costs.memory_available() > 0
