"""Made-up results and small profiles that several test files share."""

import numpy as np
import pandas as pd
import pytest

from zsc_utils.sweep.profile import load_profile

NAMES = {"ref": "Reference", "good": "Good", "rand": "Random"}


def rows(dataset, group, encoder, amis, method="X-Ent", **columns):
    """One result a clusterer."""
    return [
        {
            "dataset": dataset,
            "dataset_name": dataset.title(),
            "group": group,
            "encoder": encoder,
            "encoder_name": NAMES[encoder],
            "backbone": "net",
            "method": method,
            "labels": method == "X-Ent",
            "fine_tuned_from": None,
            "clusterer": f"c{i}",
            "clusterer_name": f"C{i}",
            "seed": 1,
            "status": "ok",
            "reason": "",
            "ami": ami,
            **{name: values[i] for name, values in columns.items()},
        }
        for i, ami in enumerate(amis)
    ]


@pytest.fixture
def table():
    """Two datasets near, one far; two encoders and two clusterers; worked out by hand below."""
    return pd.DataFrame(
        rows("a", "Near", "ref", [0.2, 0.4])
        + rows("a", "Near", "good", [0.5, 0.3])
        + rows("b", "Near", "ref", [0.1, 0.1])
        + rows("b", "Near", "good", [0.3, 0.7])
        + rows("c", "Far", "ref", [0.6, 0.6])
        + rows("c", "Far", "good", [0.2, np.nan])
    )


@pytest.fixture
def following():
    """Eight datasets; one clusterer whose UMAP silhouette follows AMI, and random weights."""
    rng = np.random.default_rng(0)
    parts = []
    for i, ami in enumerate(np.linspace(0.1, 0.8, 8)):
        shared = {
            "silhouette_umap": [ami / 2, -ami],
            "silhouette_original": rng.normal(size=2),
        }
        parts += rows(f"d{i}", "Far", "ref", [ami, ami], **shared)
        wrong = {"silhouette_umap": [-9, 9], "silhouette_original": [0, 0]}
        parts += rows(f"d{i}", "Far", "rand", [ami, ami], method="random", **wrong)
    return pd.DataFrame(parts)


def quick(**changes):
    """A profile of few cells: digits by raw pixels, K-means and AC."""
    changes = {"datasets": ["digits"], "encoders": ["raw_pixels"]} | changes
    return load_profile("smoke", **({"clusterers": ["kmeans", "ac_with_c"]} | changes))


def result_files(build):
    return sorted((build / "results").rglob("*.json"))
