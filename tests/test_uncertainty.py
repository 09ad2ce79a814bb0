import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, sem

from zsc_utils.study.stats import cluster_bootstrap_se, mean_interval, sign_flip_p, student_interval


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


def test_interval_of_few_is_students_and_of_ten_a_bootstrap():
    # Mean 2.5, standard error 0.6454972; t of three degrees of freedom at 97.5 % is 3.182446.
    few = np.array([1.0, 2.0, 3.0, 4.0])
    assert mean_interval(few) == pytest.approx((2.5 - 2.0542600, 2.5 + 2.0542600))
    assert np.isnan(mean_interval(np.full(9, 3.0))).all()
    ten = np.eye(10)[0]
    # Nine zeros and a one: no resample has a mean below zero, where Student's reaches.
    low, high = mean_interval(ten)
    assert low == 0 and 0.2 <= high <= 0.4
    assert student_interval(ten.mean(), sem(ten), 10)[0] < 0


def test_one_value_is_not_enough():
    assert np.isnan(mean_interval(np.array([3.0]))).all()
    assert np.isnan(sign_flip_p(np.array([3.0])))


def test_student_interval_by_hand():
    # t of 3 degrees of freedom at 97.5 % is 3.182446.
    assert student_interval(5.0, 2.0, 4) == pytest.approx((5 - 6.364893, 5 + 6.364893))
    assert np.isnan(student_interval(0.1, np.std([0.1] * 3, ddof=1), 3)).all()
    assert np.isnan(student_interval(5.0, np.nan, 1)).all()


def bootstrap_coverage(draws, method):
    found = bootstrap(
        (draws,),
        np.mean,
        axis=1,
        vectorized=True,
        n_resamples=600,
        method=method,
        rng=np.random.default_rng(1),
    ).confidence_interval
    return np.mean((found.low <= 0) & (found.high >= 0))


def student_coverage(draws):
    intervals = [student_interval(d.mean(), sem(d), len(d)) for d in draws]
    return np.mean([low <= 0 <= high for low, high in intervals])


@pytest.mark.parametrize("n", [4, 5, 8])
@pytest.mark.parametrize("shape", ["normal", "exponential"])
def test_of_few_values_students_interval_is_the_honest_one(n, shape):
    """How often 95 % intervals hold the mean, 0: what `student_interval` says of them."""
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(1000, n)) if shape == "normal" else rng.exponential(size=(1000, n)) - 1
    student = student_coverage(draws)
    assert student == pytest.approx(0.95, abs=0.02) if shape == "normal" else student > 0.86
    bootstraps = [bootstrap_coverage(draws, method) for method in ("percentile", "basic", "BCa")]
    assert max(bootstraps) < student - 0.015
    if n == 4:
        assert max(bootstraps) < 0.82


def test_bootstrap_error_of_a_mean_over_clusters_is_the_usual_one():
    values = np.array([1.0, 2.0, 4.0, 9.0, 3.0])
    clusters = pd.Series(np.repeat(list("abcde"), 3))
    found = cluster_bootstrap_se(
        lambda chosen: np.repeat(values, 3)[chosen].mean(), clusters, resamples=4000
    )
    assert found == pytest.approx(sem(values), rel=0.04)
    assert np.isnan(cluster_bootstrap_se(lambda chosen: 0.0, clusters[:3]))

    def error(seed):
        return cluster_bootstrap_se(lambda chosen: values[chosen // 3].mean(), clusters, seed=seed)

    assert error(1) == error(1) != error(2)
