import numpy as np
import pytest

from zsc_utils.analysis import mean_interval, sign_flip_p


def test_sign_flips_by_hand():
    """Of the eight ways to give 1, 2, 3 their signs two reach a mean as far out as all plus."""
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 8)
    # |±1 ±2 ±3| ≥ 4: all plus, 1 turned, and the mirror images of both.
    assert sign_flip_p(np.array([-1.0, 2.0, 3.0])) == pytest.approx(4 / 8)
    assert sign_flip_p(np.array([-2.0, 2.0])) == 1.0


def test_sign_flips_of_many_are_random_and_seeded():
    around_zero, above = np.random.default_rng(1).normal([0.0, 1.0], 1.0, (40, 2)).T
    assert sign_flip_p(around_zero) > 0.05
    assert sign_flip_p(above) < 0.001
    assert sign_flip_p(around_zero, seed=3) == sign_flip_p(around_zero, seed=3)


def test_interval_of_a_mean():
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    low, high = mean_interval(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - half, abs=0.05)
    assert high == pytest.approx(values.mean() + half, abs=0.05)
    assert mean_interval(values) == (low, high)


def test_interval_covers_as_often_as_it_says():
    draws = np.random.default_rng(2).normal(1.0, 1.0, (200, 30))
    held = [low <= 1.0 <= high for low, high in (mean_interval(d, resamples=500) for d in draws)]
    assert 0.88 <= np.mean(held) <= 0.98


def test_one_value_is_not_enough():
    assert np.isnan(mean_interval(np.array([3.0]))).all()
    assert np.isnan(sign_flip_p(np.array([3.0])))
