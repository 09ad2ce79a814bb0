import unicodedata

import numpy as np
import pytest
from PIL import Image

from zsc_utils.datasets import DATASETS, load_dataset, open_folder
from zsc_utils.datasets.decoding import read_image, to_rgb
from zsc_utils.errors import ImageFolderError, UnknownNameError, UnreadableImageError

EMBEDDED = {
    # name: images, classes, side
    "digits": (1797, 10, 8),
    "faces": (200, 2, 25),
    "textures": (440, 11, 32),
    "glyphs": (960, 60, 64),
}


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_datasets(name):
    dataset = load_dataset(name)
    n_images, n_classes, side = EMBEDDED[name]
    assert len(dataset) == len(dataset.labels) == n_images
    assert dataset.labels[dataset.facts.label].nunique() == n_classes
    assert dataset.size == side
    for index in (0, n_images // 2, n_images - 1):
        image = dataset.images[index]
        assert image.size == (side, side)
        assert np.ptp(np.asarray(image).astype(int)) > 10
    assert DATASETS[name].facts is dataset.facts


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    pixels = np.asarray(load_dataset("digits").images[7]).astype(float)
    assert np.abs(pixels / 255 * 16 - load_digits().images[7]).max() < 0.05


def test_train_textures_are_other_patches_of_the_same_photographs():
    test, train = load_dataset("textures"), load_dataset("textures", partition="train")
    assert train.labels["photograph"].value_counts().to_list() == 11 * [20]
    assert set(train.labels["photograph"]) == set(test.labels["photograph"])
    patches = [{image.tobytes() for image in part.images.array} for part in (test, train)]
    # Stars and page margins may be alike, patch for patch; no more than a few.
    assert len(patches[0] & patches[1]) < 5


def test_glyph_levels_are_nested_and_typeface_is_apart():
    labels = load_dataset("glyphs").labels
    assert list(labels.columns) == ["script", "letter", "character", "typeface"]
    assert labels.nunique().to_list() == [3, 15, 60, 16]
    for fine, coarse in (("character", "letter"), ("letter", "script")):
        assert (labels.groupby(fine)[coarse].nunique() == 1).all()
    assert (labels.groupby("typeface")["character"].nunique() == 60).all()
    for row in labels.itertuples():
        assert unicodedata.name(row.character).startswith(row.script.upper())
        assert unicodedata.normalize("NFD", row.character.upper())[0] == row.letter[-1]


def test_every_glyph_is_drawn_in_its_typeface():
    # A typeface that lacks a character draws the same box for all that it lacks.
    dataset = load_dataset("glyphs")
    for _, rows in dataset.labels.groupby("typeface"):
        # Capitals that look alike across scripts (A, Α) may be drawn alike; no more than those.
        drawn = {dataset.images[i].tobytes() for i in rows.index}
        assert len(drawn) >= 60 - 12


def test_subset_is_seeded_ordered_and_named():
    dataset = load_dataset("digits")
    one, again, other = dataset.subset(50), dataset.subset(50), dataset.subset(50, seed=1)
    assert len(one) == 50
    assert one.labels.equals(again.labels) and not one.labels.equals(other.labels)
    assert one.fingerprint != other.fingerprint != dataset.fingerprint
    assert dataset.subset(5000) is dataset
    index = [dataset.images[i].tobytes() for i in range(len(dataset))].index
    positions = [index(one.images[i].tobytes()) for i in range(50)]
    assert positions == sorted(positions)


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="unknown dataset 'digts'; did you mean digits"):
        load_dataset("digts")
    with pytest.raises(UnknownNameError, match="partition of digits 'train'"):
        load_dataset("digits", partition="train")


def test_folder_of_class_folders(class_folders):
    dataset = load_dataset(f"folder:{class_folders}")
    assert len(dataset) == 12
    assert dataset.labels["class"].to_list() == ["apples"] * 6 + ["pears"] * 6
    assert dataset.facts.display == "own images"
    assert dataset.images[3].mode == "RGB"


def test_folder_fingerprint_follows_its_files(class_folders):
    before = open_folder(class_folders).fingerprint
    assert open_folder(class_folders).fingerprint == before
    Image.new("RGB", (9, 9)).save(class_folders / "pears" / "0.png")
    assert open_folder(class_folders).fingerprint != before


def test_folder_errors(class_folders, tmp_path):
    with pytest.raises(ImageFolderError, match="is not a folder"):
        open_folder(tmp_path / "absent")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ImageFolderError, match="no images in .*empty"):
        open_folder(empty)
    flat = class_folders / "apples"
    with pytest.raises(ImageFolderError, match="no class folders"):
        open_folder(flat)
    assert open_folder(flat, need_classes=False).labels.shape == (6, 0)
    one = tmp_path / "one"
    (one / "only").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(one / "only" / "a.png")
    with pytest.raises(ImageFolderError, match="only one class folder, 'only'"):
        open_folder(one)
    Image.new("RGB", (9, 9)).save(class_folders / "stray.png")
    with pytest.raises(ImageFolderError, match="both images .*stray.png.* and class folders"):
        open_folder(class_folders)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_any_mode_becomes_rgb(mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((4, 4), 32896, np.uint16))
    elif mode == "P":
        image = Image.new("RGB", (4, 4), (128, 128, 128)).quantize()
    else:
        image = Image.new("RGB", (4, 4), (128, 128, 128)).convert(mode)
    rgb = to_rgb(image)
    assert rgb.mode == "RGB"
    if mode != "1":
        assert np.abs(np.asarray(rgb).astype(int) - 128).max() <= 1


@pytest.mark.parametrize("top", [200, 65535])
def test_dark_16_bit_images_keep_their_scale(tmp_path, top):
    values = np.linspace(0, top, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "deep.png")
    pixels = np.asarray(read_image(tmp_path / "deep.png"))[..., 0]
    assert np.array_equal(pixels, values // 257)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_known_range_are_refused(tmp_path, mode):
    Image.new(mode, (4, 4), 1).save(tmp_path / "numbers.tif")
    with pytest.raises(UnreadableImageError, match="32-bit numbers"):
        read_image(tmp_path / "numbers.tif")


def test_photographs_are_turned_upright(tmp_path):
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "phone.jpg", exif=exif)
    assert read_image(tmp_path / "phone.jpg").size == (20, 40)


def test_links_are_followed_once_and_hidden_folders_left_out(class_folders, tmp_path):
    (class_folders / "quinces").symlink_to(class_folders / "pears", target_is_directory=True)
    (class_folders / "apples" / "again").symlink_to(class_folders, target_is_directory=True)
    hidden = class_folders / ".thumbnails"
    hidden.mkdir()
    Image.new("RGB", (9, 9)).save(hidden / "a.png")
    (class_folders / "apples" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    dataset = open_folder(class_folders)
    # A folder reached twice counts where it is met first.
    assert dataset.labels["class"].value_counts().to_dict() == {"apples": 7, "pears": 6}
    broken = [p.name for p in dataset.images.paths].index("gone.png")
    with pytest.raises(UnreadableImageError, match=r"gone\.png"):
        dataset.images[broken]


def test_linked_class_folders(class_folders, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("apples", "pears"):
        (linked / name).symlink_to(class_folders / name, target_is_directory=True)
    assert open_folder(linked).labels["class"].nunique() == 2


def test_unreadable_images_are_named(tmp_path):
    text = tmp_path / "text.png"
    text.write_text("not an image")
    cut = tmp_path / "cut.jpg"
    Image.effect_noise((64, 64), 50).save(cut)
    cut.write_bytes(cut.read_bytes()[:600])
    for path in (text, cut, tmp_path / "absent.png"):
        with pytest.raises(UnreadableImageError, match=path.name):
            read_image(path)


def test_an_image_that_would_fill_memory_is_refused(tmp_path):
    # A palette of one colour: the file is small, what it decodes to is not.
    bomb = tmp_path / "bomb.png"
    Image.new("1", (30_000, 30_000)).save(bomb)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(UnreadableImageError, match=r"bomb\.png.*pixels"):
        read_image(bomb)
