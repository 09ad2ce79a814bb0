import numpy as np
import pytest
from PIL import Image

from zsc_utils.errors import EmbeddingsError
from zsc_utils.metrics import adjusted_mutual_information
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.clusterings import read_clusterings
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.run import sweep


def test_clusters_images_and_classes_belong_together(class_folders, tmp_path):
    """Also where an image could not be read: rows after it are still of their own images."""
    (class_folders / "apples" / "2.png").write_bytes(b"no image")
    profile = load_profile(
        "smoke",
        datasets=[f"folder:{class_folders}"],
        encoders=["raw_pixels"],
        clusterers=["kmeans", "ac_with_c"],
    )
    planned = plan(profile)
    with pytest.raises(EmbeddingsError, match="sweep first"):
        list(read_clusterings(planned, tmp_path))
    sweep(profile, build=tmp_path, skip_unreadable=True, progress=False)
    found = list(read_clusterings(planned, tmp_path))
    assert [one.cell.clusterer for one in found] == ["kmeans", "ac_with_c"]
    kmeans = found[0]
    assert len(kmeans.images) == len(kmeans.clusters) == len(kmeans.classes) == 11
    # Apples are dark and pears are bright: the images tell which class they are of.
    bright = [np.asarray(image.convert("L")).mean() > 125 for image in kmeans.images]
    assert [("apples", "pears")[b] for b in map(int, bright)] == kmeans.classes.tolist()
    agreement = adjusted_mutual_information(kmeans.classes, kmeans.clusters)
    assert agreement == pytest.approx(kmeans.row["ami"]) and agreement > 0.9


def test_cells_without_clusters_are_passed_over(tmp_path):
    profile = load_profile(
        "smoke", datasets=["digits"], encoders=["raw_pixels"], clusterers=["kmeans", "spectral"]
    )
    sweep(profile, build=tmp_path, progress=False)
    (spectral,) = (tmp_path / "results").rglob("spectral-*.json")
    spectral.unlink()
    (found,) = read_clusterings(plan(profile), tmp_path)
    assert found.cell.clusterer == "kmeans"
    assert isinstance(found.images[0], Image.Image)
