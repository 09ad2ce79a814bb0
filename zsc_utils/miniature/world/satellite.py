"""Nothing like the source: `mini-satellite`, land seen from above."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.miniature.world.camera import develop
from zsc_utils.miniature.world.creatures import AXIS, SIDE, column, ramp, triangle
from zsc_utils.miniature.world.factors import draw_columns, quarters
from zsc_utils.miniature.world.opening import mini_dataset, opened_stream
from zsc_utils.miniature.world.scenes import GRAINS, spectrum, textures
from zsc_utils.miniature.world.streams import grains
from zsc_utils.miniature.world.traits import between

NAME = "mini-satellite"
FACTORS = ("heading", "spacing", "aspect", "season", "haze", "sun", "x", "y")
_ROUGH, _BROAD = spectrum(0.5), spectrum(1.8)


def _line(distance: np.ndarray, width) -> np.ndarray:
    """Cover by a line `width` pixels wide whose middle is `distance` pixels away."""
    return np.clip(width / 2 + 0.5 - np.abs(distance), 0, 1)


def _cells(u: np.ndarray, v: np.ndarray, pitch_u, pitch_v):
    """Place within a lattice's cells, from their centres, and a number in [0, 1) for each cell.

    Cells' numbers come from an integer hash, so neighbours differ and machines agree.
    """
    row, cell = np.floor(v / pitch_v), np.floor(u / pitch_u)
    mixed = (row.astype(np.int64) * 73856093) ^ (cell.astype(np.int64) * 19349663)
    mixed = (mixed * 2654435761) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 15)) * 2246822519) & 0xFFFFFFFF
    number = (mixed >> 8) / 2.0**24
    return u - (cell + 0.5) * pitch_u, v - (row + 0.5) * pitch_v, number


@dataclass(frozen=True)
class View:
    """What land is painted from.

    Parameters
    ----------
    spacing, aspect, season
        Factors in [0, 1), (n, 1, 1).
    u, v
        Pixels along and across the heading, from anywhere, (n, 64, 64): for what repeats.
    middle_u, middle_v
        The same from near the image's centre: for what stands once.
    rough, broad
        Random fields of unit variance, (n, 64, 64).
    """

    spacing: np.ndarray
    aspect: np.ndarray
    season: np.ndarray
    u: np.ndarray
    v: np.ndarray
    middle_u: np.ndarray
    middle_v: np.ndarray
    rough: np.ndarray
    broad: np.ndarray


def _view(factors: pd.DataFrame, rough: np.ndarray, broad: np.ndarray) -> View:
    spacing, aspect, season, heading, x, y = (
        column(factors[f].to_numpy()) for f in ("spacing", "aspect", "season", "heading", "x", "y")
    )
    cosine, sine = np.cos(np.pi * heading), np.sin(np.pi * heading)
    right, down = AXIS[None, None, :] + 40 * x, AXIS[None, :, None] + 40 * y
    u, v = cosine * right + sine * down, cosine * down - sine * right
    middle_u, middle_v = u - 20 * cosine - 20 * sine, v - 20 * cosine + 20 * sine
    return View(spacing, aspect, season, u, v, middle_u, middle_v, rough, broad)


def _mix(under: np.ndarray, over, cover: np.ndarray) -> np.ndarray:
    """Lay a colour, RGB, over an image, (n, 3, 64, 64), where `cover`, (n, 64, 64), is one."""
    over = np.asarray(over, dtype=float)
    over = over[None, :, None, None] if over.ndim == 1 else over
    return under + cover[:, None] * (over - under)


def _ground(view: View, dark, light, share=0.5, steep=0.3) -> np.ndarray:
    mix = np.clip(share + steep * view.broad + 0.12 * view.rough, 0, 1)[:, None]
    dark, light = (np.array(colour)[None, :, None, None] for colour in (dark, light))
    return dark + mix * (light - dark)


def _crops(number: np.ndarray, season: np.ndarray) -> np.ndarray:
    """Colour of fields, from green through gold to bare soil, by field and by season."""
    colours = np.array([(0.2, 0.42, 0.16), (0.72, 0.64, 0.34), (0.48, 0.36, 0.27)])[:, None]
    return ramp(colours, np.clip(number * 0.8 + season * 0.5 - 0.15, 0, 1))


def fields(view: View) -> np.ndarray:
    """Rectangular fields with hedges and furrows."""
    pitch = between(view.spacing, 14, 26)
    _, v, number = _cells(view.u, view.v, pitch * between(view.aspect, 1, 2), pitch)
    furrow = triangle(view.v / 3)
    image = _crops(number, view.season) * (1 + 0.05 * furrow + 0.05 * view.rough)[:, None]
    return _mix(image, (0.14, 0.24, 0.11), _line(np.abs(v) - pitch / 2, 1.2))


def pivots(view: View) -> np.ndarray:
    """Round irrigated fields on dry land."""
    pitch = between(view.spacing, 18, 32)
    u, v, number = _cells(view.u, view.v, pitch, pitch)
    distance = np.sqrt(u * u + v * v)
    image = _ground(view, (0.6, 0.48, 0.34), (0.78, 0.66, 0.48))
    wheel = np.clip(0.5 + 0.46 * pitch - distance, 0, 1)
    rings = triangle(distance / 4)
    return _mix(image, _crops(number, view.season) * (1 + 0.05 * rings)[:, None], wheel)


def forest(view: View) -> np.ndarray:
    """Crowns of trees."""
    u, v, number = _cells(view.u + 1.5 * view.broad, view.v + 1.5 * view.rough, 5.0, 5.0)
    crown = np.clip(1.3 - np.sqrt((u + 0.6) ** 2 + v * v) / 3.2, 0, 1) * (0.6 + 0.5 * number)
    image = _ground(view, (0.04, 0.1, 0.05), (0.08, 0.15, 0.07))
    leaves = 0.2 + 0.45 * view.season
    foliage = np.stack([leaves, 0.42 - 0.1 * view.season, np.full_like(leaves, 0.14)], axis=1)
    return _mix(image, foliage, crown)


def suburb(view: View) -> np.ndarray:
    """Houses with gardens along streets."""
    block = between(view.spacing, 18, 24)
    _, street_v, _ = _cells(view.u, view.v, block, block)
    u, v, number = _cells(view.u, view.v, block / 2.5, block / 2)
    image = _ground(view, (0.2, 0.34, 0.16), (0.4, 0.48, 0.28))
    image = _mix(image, (0.5, 0.5, 0.5), _line(np.abs(street_v) - block / 2, 3.5))
    house = np.clip(2.7 - np.abs(u), 0, 1) * np.clip(2.2 - np.abs(v), 0, 1) * (number > 0.15)
    roof = np.stack([0.5 + 0.3 * number, 0.3 + 0.2 * number, 0.28 + 0.15 * number], axis=1)
    return _mix(image, roof * np.where(v < 0, 1.15, 0.8)[:, None], house)


def city(view: View) -> np.ndarray:
    """Dense blocks of tall buildings with shadows."""
    pitch = between(view.spacing, 9, 15)
    u, v, number = _cells(view.u, view.v, pitch, pitch * between(view.aspect, 0.8, 1.5))
    image = _ground(view, (0.25, 0.25, 0.27), (0.38, 0.38, 0.4))
    half_u, half_v = pitch / 2 - 1.6, pitch * between(view.aspect, 0.8, 1.5) / 2 - 1.6
    shade = np.clip(half_u - np.abs(u - 1.5), 0, 1) * np.clip(half_v - np.abs(v - 1.5), 0, 1)
    image = _mix(image, (0.1, 0.1, 0.13), shade)
    roof = np.clip(half_u - np.abs(u), 0, 1) * np.clip(half_v - np.abs(v), 0, 1)
    grey = (0.4 + 0.5 * number)[:, None] * np.array([1.0, 0.97, 0.93])[None, :, None, None]
    return _mix(image, grey, roof)


def motorway(view: View) -> np.ndarray:
    """A dual carriageway with cars through grassland."""
    image = _ground(view, (0.24, 0.34, 0.16), (0.5, 0.5, 0.28))
    lanes = between(view.spacing, 8, 14)
    bend = view.middle_v + 0.004 * (view.aspect - 0.5) * view.middle_u**2
    image = _mix(image, (0.42, 0.42, 0.43), _line(bend, 2 * lanes))
    image = _mix(image, (0.3, 0.4, 0.2), _line(bend, 2.0))
    dashes = (view.u / 6 - np.floor(view.u / 6)) < 0.5
    image = _mix(image, (0.9, 0.9, 0.9), _line(np.abs(bend) - lanes / 2, 0.6) * dashes)
    u, v, number = _cells(view.u, np.abs(bend) - 1.5, 9.0, lanes / 2 - 0.5)
    car = np.clip(2.2 - np.abs(u), 0, 1) * np.clip(1.2 - np.abs(v), 0, 1) * (number > 0.6)
    paint = np.stack([number * 3 % 1, number * 7 % 1, number * 11 % 1], axis=1)
    return _mix(image, paint, car * (np.abs(bend) < lanes - 1))


def river(view: View) -> np.ndarray:
    """A river that winds through woods and meadows."""
    image = _ground(view, (0.12, 0.24, 0.1), (0.42, 0.5, 0.24), steep=0.8)
    wave = triangle(view.u / between(view.aspect, 30, 55))
    bank = view.middle_v - 9 * wave * (2 - np.abs(wave)) - 1.5 * view.broad
    width = between(view.spacing, 8, 18)
    image = _mix(image, (0.75, 0.68, 0.5), _line(bank, width + 4))
    return _mix(image, (0.16, 0.3, 0.36), _line(bank, width))


def coast(view: View) -> np.ndarray:
    """Sea, surf and a beach."""
    land = _ground(view, (0.3, 0.4, 0.2), (0.62, 0.6, 0.4))
    shore = view.middle_v + 5 * view.broad + 12 * (view.aspect - 0.5)
    image = _mix(land, (0.88, 0.8, 0.62), np.clip(shore / 2 + 4 + 4 * view.spacing, 0, 1))
    image = _mix(image, (0.2, 0.5, 0.58), np.clip(shore / 3 + 0.5, 0, 1))
    image = _mix(image, (0.06, 0.22, 0.38), np.clip(shore / 16 - 0.2, 0, 1))
    return _mix(image, (0.95, 0.97, 0.98), _line(shore - 1.5 * view.rough, 2.0))


def orchard(view: View) -> np.ndarray:
    """Trees in rows on mown grass."""
    pitch = between(view.spacing, 6.5, 10)
    u, v, number = _cells(view.u, view.v, pitch, pitch)
    image = _ground(view, (0.5, 0.46, 0.28), (0.6, 0.6, 0.36))
    distance = np.sqrt(u * u + v * v)
    shade = np.clip(0.33 * pitch - np.sqrt((u - 1.2) ** 2 + (v - 1.2) ** 2), 0, 1)
    image = _mix(image, (0.2, 0.2, 0.12), shade)
    crown = np.clip(0.34 * pitch - distance, 0, 1) * (number > 0.06)
    return _mix(image, (0.18, 0.36, 0.15), crown)


def dunes(view: View) -> np.ndarray:
    """Crests of sand."""
    pitch = between(view.spacing, 8, 18)
    wave = (view.v + 2.5 * view.broad) / pitch
    crest = wave - np.floor(wave)
    slope = np.minimum(crest * 1.4, (1 - crest) * 3.5)
    image = _ground(view, (0.78, 0.58, 0.36), (0.86, 0.68, 0.46))
    return image * (0.72 + 0.4 * slope)[:, None]


LAND_USES = {
    use.__name__: use
    for use in (fields, pivots, forest, suburb, city, motorway, river, coast, orchard, dunes)
}


def land_factors(indices: np.ndarray) -> pd.DataFrame:
    """Draw the factors of images: `land_use` by position in `LAND_USES`, others in [0, 1)."""
    return draw_columns(NAME, 0, indices, FACTORS).assign(land_use=indices % len(LAND_USES))


def land_labels(indices: np.ndarray) -> pd.DataFrame:
    """Name land uses and the quarters of the factors; one row an image."""
    factors = land_factors(indices)
    told = {name: quarters(factors[name]) for name in FACTORS}
    return pd.DataFrame({"land_use": np.array(list(LAND_USES))[factors["land_use"]], **told})


def render_land(indices: np.ndarray) -> np.ndarray:
    """Render land from above, uint8 (n, 64, 64, 3)."""
    factors = land_factors(indices)
    noise = grains(f"{NAME} fields", 0, indices, GRAINS)
    rough, broad = textures(_ROUGH, noise)[0], textures(_BROAD, noise)[1]
    image = np.empty((len(indices), 3, SIDE, SIDE))
    for position, use in enumerate(LAND_USES.values()):
        rows = np.flatnonzero(factors["land_use"].to_numpy() == position)
        if len(rows):
            image[rows] = use(_view(factors.iloc[rows], rough[rows], broad[rows]))
    image *= between(factors["sun"].to_numpy(), 0.75, 1.15)[:, None, None, None]
    image += 0.03 * rough[:, None]
    haze = 0.35 * factors["haze"].to_numpy() ** 2
    image += haze[:, None, None, None] * (np.array([0.75, 0.8, 0.85])[:, None, None] - image)
    return develop(image)


@mini_dataset("mini-satellite", version=1)
def mini_satellite(root: Path, partition: str):
    """Open land seen from above."""
    return opened_stream(render_land, land_labels, partition)
