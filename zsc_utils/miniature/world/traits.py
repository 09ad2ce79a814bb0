"""From genes to what is drawn: counts, lengths in body radii, colours in RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zsc_utils.miniature.world.phylogeny import GENE_NAMES

MARKINGS = ("plain", "bands", "stripes", "spots", "rings", "chequers")
LIMBS = 3


@dataclass(frozen=True)
class Traits:
    """What a batch of creatures looks like; arrays of n rows, lengths in body radii.

    Parameters
    ----------
    symmetry
        Order of the symmetry, (n,): 1 is left-right, more is as of a star.
    lobes
        Amplitudes of the outline's harmonics, (n, 4).
    stretch
        Length over width of the body, (n,).
    segments
        Tapered limbs, wings and tail in the folded plane: start u, start v, end u, end v, radius
        at start, radius at end, (n, LIMBS + 2, 6). A radius below zero draws nothing.
    head, eye
        Place along the axis and radius, (n, 2).
    waves
        Weights of the patterns' five waves, (n, 5).
    marks
        Frequency, phase, sharpness, threshold and rim width, (n, 5).
    colours
        Body, marks, limbs, head in RGB, (n, 4, 3), within [0, 1].
    """

    symmetry: np.ndarray
    lobes: np.ndarray
    stretch: np.ndarray
    segments: np.ndarray
    head: np.ndarray
    eye: np.ndarray
    waves: np.ndarray
    marks: np.ndarray
    colours: np.ndarray


def express(genes: np.ndarray, kingdom: np.ndarray) -> Traits:
    """Turn genes, (n, genes) in the order of `GENE_NAMES`, into traits.

    `kingdom`, (n,), holds positions in `KINGDOMS`.
    """
    # An algebraic sigmoid: square roots are exact to the last bit everywhere, exponentials are not.
    squashed = 0.5 + 0.5 * genes / np.sqrt(1 + genes**2)
    gene = dict(zip(GENE_NAMES, squashed.T, strict=True))
    symmetry = np.select(
        [kingdom == 0, kingdom == 1],
        [1, 3 + _choose(gene["symmetry"], 5)],
        default=5 + _choose(gene["symmetry"], 8),
    )
    return Traits(
        symmetry=symmetry.astype(float),
        lobes=_lobes(gene, symmetry),
        stretch=np.where(symmetry == 1, between(gene["stretch"], 0.85, 2.1), 1.0),
        segments=_segments(gene, symmetry),
        head=_head(gene, symmetry),
        eye=_eye(gene, symmetry),
        waves=_waves(gene),
        marks=np.stack(
            [
                between(gene["frequency"], 0.7, 2.6),
                gene["phase"],
                between(gene["sharpness"], 1.5, 7.0),
                between(gene["cover"], -0.45, 0.45),
                np.maximum(between(gene["rim"], -0.15, 0.3), 0),
            ],
            axis=1,
        ),
        colours=np.stack(
            [_colour(gene, part) for part in ("base", "mark", "limb", "head")], axis=1
        ),
    )


def between(gene: np.ndarray, low: float, high: float) -> np.ndarray:
    """Take numbers of [0, 1] to a range."""
    return low + (high - low) * gene


def _choose(gene: np.ndarray, count: int) -> np.ndarray:
    # Squashed genes crowd the middle; spreading them out makes the outer choices as likely.
    return np.clip(np.floor((gene * 1.3 - 0.15) * count), 0, count - 1).astype(int)


def _lobes(gene: dict, symmetry: np.ndarray) -> np.ndarray:
    """Stars get one strong lobe an arm, left-right bodies several weak ones."""
    lobes = np.stack([gene[f"lobe{k}"] * 2 - 1 for k in range(1, 5)], axis=1)
    bilateral, radial = np.array([0.22, 0.2, 0.14, 0.1]), np.array([0.38, 0.16, 0.08, 0.04])
    return lobes * np.where((symmetry == 1)[:, None], bilateral, radial)


def _segments(gene: dict, symmetry: np.ndarray) -> np.ndarray:
    bilateral = symmetry == 1
    pairs = np.where(bilateral, _choose(gene["limbs"], LIMBS + 1), _choose(gene["limbs"], LIMBS))
    length = between(gene["limb_length"], 0.45, 1.5)
    width = between(gene["limb_width"], 0.05, 0.24)
    taper = width * between(gene["limb_taper"], 0.15, 1.7)
    sweep = between(gene["limb_sweep"], -0.8, 0.8)
    fan = between(gene["limb_fan"], 0.1, 0.9)
    parts = []
    for limb in range(LIMBS):
        # Left-right bodies: pairs along the flank. Stars: rays spread over half a sector.
        place = np.where(bilateral, (1 - limb) * 0.55, 0.3)
        lean = sweep + (1 - limb) * fan
        angle = np.where(bilateral, np.pi / 2 - lean, np.pi / symmetry * (0.5, 0.0, 1.0)[limb])
        reach = np.where(bilateral, 0.35 + length, 0.6 + length * (0.8, 1.0, 0.7)[limb])
        parts.append(_ray(place, 0.1 * bilateral, angle, reach, width, taper, limb < pairs))
    has_wings = bilateral & (_choose(gene["wings"], 3) > 0)
    wing_angle = np.pi / 2 - between(gene["wing_sweep"], -0.9, 0.6)
    wing_width = between(gene["wing_width"], 0.15, 0.5)
    wing_length = between(gene["wing_length"], 0.4, 1.5)
    parts.append(_ray(0.2, 0.2, wing_angle, wing_length, wing_width * 0.5, wing_width, has_wings))
    has_tail = bilateral & (_choose(gene["tail"], 3) > 0)
    tail_width = between(gene["tail_width"], 0.05, 0.4)
    tail_length = between(gene["tail_length"], 0.8, 2.2)
    parts.append(_ray(-0.3, 0.0, np.pi, tail_length, 0.18, tail_width, has_tail))
    return np.stack(parts, axis=1)


def _ray(u, v, angle, length, start, end, present) -> np.ndarray:
    values = (u, v, u + length * np.cos(angle), v + length * np.sin(angle), start, end)
    rows = np.stack(np.broadcast_arrays(*values), axis=1).astype(float)
    rows[~present, 4:] = -9.0
    return rows


def _head(gene: dict, symmetry: np.ndarray) -> np.ndarray:
    """Left-right bodies carry a head in front, stars a disc in the middle or none."""
    bilateral = symmetry == 1
    style = _choose(gene["head"], 3)
    place = np.where(bilateral, between(gene["head_place"], 0.7, 1.35), 0.0)
    size = np.where(bilateral, between(gene["head_size"], 0.25, 0.55), gene["head_size"] * 0.6)
    return np.stack([place, np.where((style == 0) & ~bilateral, -9.0, size)], axis=1)


def _eye(gene: dict, symmetry: np.ndarray) -> np.ndarray:
    head = _head(gene, symmetry)
    size = np.where(symmetry == 1, between(gene["eye_size"], 0.08, 0.2), -9.0)
    return np.stack([head[:, 0] + 0.3 * head[:, 1], size], axis=1)


def _waves(gene: dict) -> np.ndarray:
    """Mix the markings' waves: the family's first marking and a fainter second one.

    Columns: across the axis, along it, their product, around the centre, their checks.
    """
    eye = np.eye(len(MARKINGS))[:, 1:]
    first = eye[_choose(gene["marking"], len(MARKINGS))]
    second = eye[_choose(gene["second_marking"], len(MARKINGS))]
    return first + 0.35 * second


def _colour(gene: dict, part: str) -> np.ndarray:
    """Read a colour from its three genes: RGB (n, 3)."""
    hue = gene[f"{part}_hue"] * 2.2 % 1.0
    saturation = between(gene[f"{part}_saturation"], 0.05, 1.0)
    value = between(gene[f"{part}_value"], 0.1, 1.0)
    return hsv_to_rgb(hue, saturation, value)


def hsv_to_rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Convert colours, each (n,) within [0, 1], to RGB (n, 3)."""
    sector = (np.array([5.0, 3.0, 1.0]) + 6 * hue[:, None]) % 6
    dip = np.clip(np.minimum(sector, 4 - sector), 0, 1)
    return value[:, None] * (1 - saturation[:, None] * dip)
