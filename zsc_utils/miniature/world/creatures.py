"""Draw creatures: distances to their parts, smooth edges, markings and shading.

All arrays are (n, 64, 64) float64 in C order. Only arithmetic, square roots and, for stars, an
arc tangent and a sine and cosine are used, so pixels agree between machines far below the
rounding to 8 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zsc_utils.miniature.world.traits import Traits

SIDE = 64
AXIS = np.arange(SIDE) - (SIDE - 1) / 2


@dataclass(frozen=True)
class Pose:
    """Where a batch of creatures stands: each (n,); pixels, radians, body radii."""

    x: np.ndarray
    y: np.ndarray
    rotation: np.ndarray
    radius: np.ndarray
    flipped: np.ndarray
    bend: np.ndarray


@dataclass(frozen=True)
class Drawing:
    """Creatures cut out: colour (n, 3, 64, 64), cover (n, 64, 64), relief (2, n, 64, 64).

    Relief holds the surface normal's components along x and y.
    """

    colour: np.ndarray
    cover: np.ndarray
    relief: np.ndarray


def draw(traits: Traits, pose: Pose) -> Drawing:
    """Draw one creature an image."""
    u, v = _body_plane(pose)
    fold_u, fold_v, cosine = _fold(u, v, traits.symmetry, traits.stretch)
    soft = column(pose.radius)
    limbs = _limbs(traits.segments, fold_u, fold_v, soft)
    long_u, long_v = u / column(traits.stretch), v * column(np.sqrt(traits.stretch))
    centre = np.sqrt(long_u * long_u + long_v * long_v)
    outline = _outline(traits.lobes, cosine)
    body = _cover((centre - outline) * soft)
    head = _disc(u - column(traits.head[:, 0]), v, traits.head[:, 1], soft)
    eye = _disc(
        u - column(traits.eye[:, 0]),
        np.abs(v) - column(0.5 * traits.head[:, 1]),
        traits.eye[:, 1],
        soft,
    )
    depth = centre / outline
    colour = _paint(traits, (u, np.abs(v), centre, depth), body, head, eye)
    cover = np.maximum(np.maximum(limbs, body), head)
    return Drawing(colour, cover, _relief(u, v, depth, pose))


def column(values: np.ndarray) -> np.ndarray:
    """Shape (n,) as (n, 1, 1), to stand against images."""
    return values[:, None, None]


def triangle(wave: np.ndarray) -> np.ndarray:
    """Triangle wave of period 1 between -1 and 1: a cosine without a cosine."""
    return 4 * np.abs(wave - np.rint(wave)) - 1


def ramp(colours: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Go through three colours, (3, n, 3) or (3, 1, 3), as `share`, (n, h, w), goes from 0 to 1."""
    low, middle, high = colours[..., None, None]
    place = share[:, None] * 2
    image = low + np.minimum(place, 1) * (middle - low)
    image += np.maximum(place - 1, 0) * (high - middle)
    return image


def _body_plane(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Undo the pose: coordinates along and across the body's axis, in body radii."""
    right = (AXIS[None, :] - pose.x[:, None])[:, None, :]
    down = (AXIS[None, :] - pose.y[:, None])[:, :, None]
    cosine, sine = np.cos(pose.rotation) / pose.radius, np.sin(pose.rotation) / pose.radius
    mirror = np.where(pose.flipped, -1.0, 1.0)
    u = column(cosine * mirror) * right + column(sine) * down
    v = column(cosine) * down - column(sine * mirror) * right
    v += column(pose.bend) * (u * u - 0.3)
    return u, v


def _fold(u, v, symmetry, stretch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fold the plane onto half a sector of the symmetry; also the cosine the outline needs.

    Left-right bodies fold at their axis by an absolute value; only stars need angles.
    """
    fold_u, fold_v = u.copy(), np.abs(v)
    squeezed = v * column(stretch)
    cosine = u / np.sqrt(u * u + squeezed * squeezed + 1e-12)
    stars = np.flatnonzero(symmetry > 1)
    if len(stars):
        order = column(symmetry[stars])
        distance = np.sqrt(u[stars] ** 2 + v[stars] ** 2)
        angle = np.arctan2(v[stars], u[stars])
        sector = 2 * np.pi / order
        angle = np.abs(angle - sector * np.rint(angle / sector))
        fold_u[stars], fold_v[stars] = distance * np.cos(angle), distance * np.sin(angle)
        cosine[stars] = np.cos(order * angle)
    return fold_u, fold_v, cosine


def _outline(lobes: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """Sum the harmonics cos(k angle), k = 1 ... 4, by Chebyshev's recurrence; body radii."""
    before, current = 1.0, cosine
    outline = 0.85 + column(lobes[:, 0]) * current
    for k in range(1, lobes.shape[1]):
        before, current = current, 2 * cosine * current - before
        outline += column(lobes[:, k]) * current
    return np.maximum(outline, 0.2, out=outline)


def _cover(distance: np.ndarray) -> np.ndarray:
    """Cover of a pixel by a part whose edge is `distance` pixels away, negative inside."""
    return np.clip(0.5 - distance, 0, 1)


def _disc(u: np.ndarray, v: np.ndarray, radius: np.ndarray, soft: np.ndarray) -> np.ndarray:
    return _cover((np.sqrt(u * u + v * v) - column(radius)) * soft)


def _limbs(segments, u, v, soft) -> np.ndarray:
    """Cover by the nearest of the tapered segments, (n, parts, 6), in the folded plane."""
    nearest = np.full(u.shape, 99.0)
    for part in segments.swapaxes(0, 1):
        wanted = np.flatnonzero(part[:, 4] >= 0)
        if not len(wanted):
            continue
        start_u, start_v, end_u, end_v, start, end = (column(c) for c in part[wanted].T)
        along_u, along_v = end_u - start_u, end_v - start_v
        squared = along_u * along_u + along_v * along_v
        from_u, from_v = u[wanted] - start_u, v[wanted] - start_v
        share = from_u * (along_u / squared) + from_v * (along_v / squared)
        np.clip(share, 0, 1, out=share)
        from_u -= share * along_u
        from_v -= share * along_v
        distance = np.sqrt(from_u * from_u + from_v * from_v)
        distance -= start + share * (end - start)
        nearest[wanted] = np.minimum(nearest[wanted], distance)
    return _cover(nearest * soft)


def _paint(traits: Traits, plane, body, head, eye) -> np.ndarray:
    """Colour limbs, body with its markings, head and eyes, one over the other: (n, 3, 64, 64)."""
    u, v, centre, depth = plane
    frequency, phase, sharpness, threshold, rim = (column(c) for c in traits.marks.T)
    weights = [column(c) for c in traits.waves.T]
    across = triangle(u * frequency + phase)
    along = triangle(v * frequency + 0.5 * phase)
    spots = across * along
    field = weights[0] * across + weights[1] * along + weights[2] * (across + along) * 0.7
    field += weights[3] * triangle(centre * frequency + phase) + weights[4] * spots * 2
    marks = np.clip((field - threshold) * sharpness + 0.5, 0, 1)
    # A rim in the marks' colour, where the species has one.
    marks = np.maximum(marks, np.clip((depth - 1 + rim) * 12, 0, 1) * (rim > 0))
    painted = np.empty((len(u), 3, *u.shape[1:]))
    for channel in range(3):
        base, mark, limb, crown = (column(c) for c in traits.colours[:, :, channel].T)
        plane = base + marks * (mark - base)
        plane = limb + body * (plane - limb)
        plane += head * (crown - plane)
        plane *= 1 - 0.92 * eye
        painted[:, channel] = plane
    return painted


def _relief(u, v, depth, pose: Pose) -> np.ndarray:
    """Tilt of a domed surface, turned back into the image: (2, n, 64, 64) within [-1, 1]."""
    steep = np.clip(depth, 0, 1) / (np.sqrt(u * u + v * v) + 0.05)
    tilt_u, tilt_v = u * steep, v * steep
    cosine, sine = column(np.cos(pose.rotation)), column(np.sin(pose.rotation))
    mirror = column(np.where(pose.flipped, -1.0, 1.0))
    return np.stack([mirror * (cosine * tilt_u - sine * tilt_v), sine * tilt_u + cosine * tilt_v])
