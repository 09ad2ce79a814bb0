import warnings

import numpy as np
import pytest
from sklearn.cluster import AffinityPropagation as Theirs
from sklearn.datasets import load_digits, make_blobs

from zsc_utils.affinity import AffinityPropagation
from zsc_utils.clustering import Task, run_clusterer

POINTS = {
    "blobs": make_blobs(300, 20, centers=12, random_state=0)[0].astype(np.float32),
    "digits": load_digits().data[:400].astype(np.float32),
    "an odd number of float64": np.random.default_rng(1).normal(size=(151, 5)),
    "each three times": np.repeat(np.random.default_rng(0).normal(size=(20, 4)), 3, axis=0),
    "one": np.zeros((1, 4), np.float32),
    "two": np.array([[0.0, 1.0], [2.0, 3.0]], np.float32),
    "three as far from each other": np.eye(3, dtype=np.float32),
    "a large mean": make_blobs(90, 8, centers=5, random_state=3)[0].astype(np.float32) + 1000,
}


@pytest.mark.parametrize("damping", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("most", [1000, 20, 3])
@pytest.mark.parametrize("name", POINTS)
def test_clusters_are_those_of_scikit_learn(name, most, damping):
    settings = {"damping": damping, "max_iter": most, "convergence_iter": 15, "random_state": 3}
    found, reasons = [], []
    for estimator in (Theirs(**settings), AffinityPropagation(**settings)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found.append(estimator.fit_predict(POINTS[name]))
        reasons.append([str(w.message) for w in caught if "converge" in str(w.message)])
    np.testing.assert_array_equal(*found)
    # They differ in words, not in whether there is something to say.
    assert len(reasons[0]) == len(reasons[1])
    assert ("not have any cluster centers" in str(reasons[0])) == ("no cluster" in str(reasons[1]))


def test_what_is_not_settled_is_said():
    task = Task(400, 0, 5, 1)
    found = run_clusterer(POINTS["digits"], "affinity_propagation", task, {"damping": 0.5})
    assert found.status == "ok" and found.labels.max() > 10
    with pytest.warns(match="did not converge in 5 rounds"):
        AffinityPropagation(max_iter=5, random_state=0).fit_predict(POINTS["digits"])


def test_points_are_left_as_they_are():
    X = POINTS["blobs"].copy()
    X.flags.writeable = False
    AffinityPropagation(damping=0.9, random_state=0).fit_predict(X)
    np.testing.assert_array_equal(X, POINTS["blobs"])
