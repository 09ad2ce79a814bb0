"""Images that are copies of one another, and images that only resemble each other."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_digits

from zsc_utils.own.copies import sets_of_copies


@pytest.fixture(scope="module")
def photograph():
    from skimage import data

    return Image.fromarray(data.astronaut())


def saved(image, **settings):
    stream = io.BytesIO()
    image.save(stream, **settings)
    return Image.open(stream).convert("RGB")


def copies(images, digests=None):
    n = len(images)
    everyone = np.array([[j for j in range(n) if j != i] for i in range(n)], np.int32)
    return sets_of_copies(digests or tuple(map(str, range(n))), everyone, images)


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: saved(image, format="JPEG", quality=50),
        lambda image: image.resize((100, 100)),
        lambda image: saved(image.resize((700, 690)), format="WEBP"),
        lambda image: ImageEnhance.Brightness(image).enhance(0.8),
        lambda image: ImageOps.grayscale(image).convert("RGB"),
    ],
    ids=["saved anew", "smaller", "larger, another format", "darker", "grey"],
)
def test_near_copies_are_found(photograph, edit):
    from skimage import data

    others = [Image.fromarray(data.coffee()), Image.fromarray(data.rocket())]
    assert copies([others[0], photograph, others[1], edit(photograph)]) == [[1, 3]]


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: ImageOps.mirror(image),
        lambda image: image.rotate(180),
        lambda image: image.crop((100, 100, 400, 400)),
        lambda image: image.resize((512, 256)),
        lambda image: ImageOps.invert(image),
    ],
    ids=["mirrored", "upside down", "a part", "squeezed", "negative"],
)
def test_what_was_made_of_an_image_and_is_another_is_none(photograph, edit):
    assert copies([photograph, edit(photograph), photograph.crop((0, 0, 256, 256))]) == []


def test_digits_of_one_class_and_plain_colours_are_none():
    digits = load_digits()
    ones = digits.images[digits.target == 1][:60] * 16
    images = [Image.fromarray(one.clip(0, 255).astype(np.uint8)).convert("RGB") for one in ones]
    assert copies(images) == []
    plain = [Image.new("RGB", (20, 20), (i, 2 * i, 9)) for i in range(0, 100, 10)]
    noise = np.random.default_rng(0).integers(100, 102, (2, 20, 20), dtype=np.uint8)
    assert copies([*plain, *map(Image.fromarray, noise)]) == []


def test_of_one_content_are_copies_whatever_they_look_like():
    plain = [Image.new("RGB", (9, 9), (i, 0, 0)) for i in range(5)]
    assert copies(plain, ("a", "b", "a", "c", "b")) == [[0, 2], [1, 4]]
    # Not neighbours, and not to be read any more.
    nobody = np.zeros((4, 0), np.int32)
    found = sets_of_copies(("a", "b", "b", "b"), nobody, [None] * 4)
    assert found == [[1, 2, 3]]


def test_copies_of_copies_hang_together(photograph):
    chain = [photograph, saved(photograph, format="JPEG", quality=40), photograph.resize((90, 90))]
    first_to_next = np.array([[1], [2], [1], [0]], np.int32)
    images = [*chain, photograph]
    found = sets_of_copies(("a", "b", "c", "a"), first_to_next, images)
    assert found == [[0, 1, 2, 3]]
