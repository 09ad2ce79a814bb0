"""Embeddings from outside: what float32 holds is kept, what it does not is made to fit, or refused.

Of blobs that lie apart the right AMI is 1, whatever is added to all of them or their unit is.
"""

import logging

import numpy as np
import pandas as pd
import pytest

from zsc_utils.errors import EmbeddingsError
from zsc_utils.narrow import check_embeddings
from zsc_utils.npz import load_npz
from zsc_utils.recipes import Recipe, Reduction
from zsc_utils.sweep.evaluate import evaluate, with_silhouettes

NONE = Reduction()


@pytest.fixture
def wide(blobs):
    """The blobs in float64, with bits that float32 has not."""
    X, y = blobs
    return X.astype(np.float64) + 1e-9 * np.random.default_rng(1).normal(size=X.shape), y


def through_file(tmp_path, X):
    np.savez(tmp_path / "e.npz", embeddings=X)
    return load_npz(tmp_path / "e.npz")[0]


def ami(X, y, clusterer, reduction=NONE, **settings):
    recipe = Recipe(clusterer, reduction, tuple(settings.items()))
    memo = {}
    found = evaluate(X, pd.DataFrame({"class": y.astype(str)}), "class", recipe, memo=memo)
    (row,) = with_silhouettes(X, [found], memo)
    assert row["status"] == "ok" and np.isfinite(row["silhouette_original"])
    return row["ami"]


@pytest.mark.parametrize(
    "change",
    [
        lambda X: 1e-3 * X + 1e6,
        lambda X: X + 1e9,
        lambda X: 1e18 * X,
        lambda X: 1e25 * X,
        lambda X: 1e300 * X,
        lambda X: 1e-30 * X,
        lambda X: (1e25 * X).astype(np.float32),
        lambda X: (1e-30 * X).astype(np.float32),
        lambda X: np.rint(1000 * X).astype(np.int64) + 2**40,
        lambda X: np.rint(10 * X).astype(np.int32) + 2**30,
        lambda X: np.rint(10 * X + 100).astype(np.uint8),
        lambda X: X.astype(np.float16),
        lambda X: X.astype(">f8"),
        lambda X: np.asfortranarray(X),
        lambda X: X.astype(np.longdouble) + 1e9,
    ],
)
def test_blobs_far_off_very_large_or_very_small_are_told_apart(wide, tmp_path, change):
    X, y = wide
    found = through_file(tmp_path, change(X))
    assert found.dtype == np.float32 and found.flags.c_contiguous
    assert ami(found, y, "kmeans") == 1
    assert ami(found, y, "ac_with_c", Reduction(zscore=True), linkage="ward") == 1
    assert ami(found, y, "ac_with_c", linkage="average", metric="l1") == 1


@pytest.mark.parametrize("change", [lambda X: 1e-3 * X + 1e6, lambda X: 1e25 * X])
def test_umap_of_them_too(wide, tmp_path, change):
    X, y = wide
    found = through_file(tmp_path, change(X))
    assert ami(found, y, "spectral", Reduction("umap", n_components=5)) == 1


@pytest.mark.parametrize("offset", [0, 1, 1000])
def test_what_narrows_well_stays_bit_for_bit(wide, offset, caplog):
    X = wide[0] + offset
    X[:, 0] = 0.1  # constant: whatever it is rounded to, it tells nothing apart
    assert np.array_equal(check_embeddings(X, "array"), X.astype(np.float32))
    narrow = X.astype(np.float32) + 1e6
    assert np.array_equal(check_embeddings(narrow, "array"), narrow)
    assert not caplog.records


def test_only_dimensions_that_need_it_are_centred_and_a_warning_says_so(wide, caplog):
    X, _ = wide
    X[:, 2] += 1e9
    found = check_embeddings(X, "mine.npz")
    rest = np.delete(np.arange(8), 2)
    assert np.array_equal(found[:, rest], X[:, rest].astype(np.float32))
    assert np.allclose(found[:, 2], X[:, 2] - X[:, 2].mean(), atol=1e-5)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "mine.npz: 1 of 8 dimensions centred" in record.getMessage()
    assert "cosines are those of the centred" in record.getMessage()


def test_scaling_is_by_a_power_of_two(wide, caplog):
    X = wide[0].astype(np.float32)
    found = check_embeddings(X * np.float32(2**60), "mine.npz")
    power = 60 + np.frexp(abs(X).max())[1]
    assert np.array_equal(found, np.ldexp(X, 60 - power)) and 0.5 <= abs(found).max() < 1
    assert f"all divided by 2^{power}" in caplog.text


def test_what_vanishes_beside_larger_numbers_is_said(wide, caplog):
    X, y = wide
    X[:, 7] = 1e200 * (y == 0)
    found = check_embeddings(X, "mine.npz")
    assert not found[:, :7].any() and len(np.unique(found[:, 7])) == 2
    assert "7 of 8 dimensions are too small beside the largest number" in caplog.text


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_was_lost_before_is_refused(blobs, tmp_path, dtype):
    # Neighbouring numbers are 8 apart there, the classes 10.
    X = blobs[0].astype(np.float64) + 2.0 ** (np.finfo(dtype).nmant + 3)
    with pytest.raises(EmbeddingsError, match=f"less than {np.dtype(dtype)} tells apart"):
        through_file(tmp_path, X.astype(dtype))


def test_numbers_beyond_float64_are_refused():
    X = np.ones((3, 2), np.longdouble)
    X[1, 1] = np.longdouble(10) ** 4000
    if np.isinf(X[1, 1]):
        pytest.skip("no wider numbers here than float64")
    with pytest.raises(EmbeddingsError, match="beyond float64"):
        check_embeddings(X, "array")
