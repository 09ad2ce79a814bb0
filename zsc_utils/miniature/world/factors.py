"""What varies from image to image: drawn per index, rendered as numbers, told as strings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from zsc_utils.miniature.world.creatures import Pose
from zsc_utils.miniature.world.phylogeny import Path
from zsc_utils.miniature.world.scenes import HABITATS, SCENE_NAMES
from zsc_utils.miniature.world.streams import uniforms

# Names of each numeric factor's quarters, from its lowest values to its highest.
QUARTERS = {
    "x": ("left", "left of centre", "right of centre", "right"),
    "y": ("top", "above centre", "below centre", "bottom"),
    "rotation": ("far left", "left", "right", "far right"),
    "scale": ("small", "medium", "large", "very large"),
    "bend": ("strongly left", "left", "right", "strongly right"),
    "tone": ("darkest", "dark", "bright", "brightest"),
    "light_direction": ("east", "south", "west", "north"),
    "light_strength": ("dim", "soft", "bright", "glaring"),
    "light_colour": ("cold", "cool", "mild", "warm"),
    "horizon": ("highest", "high", "low", "lowest"),
    "noise": ("clean", "faint", "grainy", "noisy"),
}
# Those of factors whose numbers have no names of their own.
QUARTER_NAMES = ("lowest quarter", "low quarter", "high quarter", "highest quarter")
OCCLUSION = ("none", "a little", "half", "much")
BLUR = ("none", "soft", "strong")


@dataclass(frozen=True)
class Nuisances:
    """How much the factors vary: shares of images and half-ranges.

    Parameters
    ----------
    habitat
        Share of a species' images before its habitat; the others stand before any.
    rotation
        Largest turn to either side, in degrees.
    shift
        Largest shift of the creature from the centre, in pixels.
    radius
        Smallest and largest body radius, in pixels.
    occluded, blurred
        Shares of images with something in front, and out of focus.
    noise
        Largest standard deviation of the sensor's noise, of a full scale of 1.
    light
        How far the light's strength strays from 1.
    tint
        How far its colour strays from white.
    """

    habitat: float = 0.7
    rotation: float = 50.0
    shift: float = 9.0
    radius: tuple[float, float] = (9.0, 16.0)
    occluded: float = 0.35
    blurred: float = 0.3
    noise: float = 0.06
    light: float = 0.3
    tint: float = 0.12


_COLUMNS = (
    *QUARTERS,
    *("flipped", "at_home", "elsewhere", "occluded", "occlusion", "side", "blurred", "blur"),
)


def draw_columns(
    name: str, seed: int, indices: np.ndarray, columns: tuple[str, ...]
) -> pd.DataFrame:
    """Draw a number in [0, 1) for each column; one row an image."""
    draws = uniforms(f"{name} factors", seed, indices, len(columns))
    return pd.DataFrame(draws, columns=list(columns))


def quarters(factor: pd.Series, names: tuple[str, ...] = QUARTER_NAMES) -> np.ndarray:
    """Name the quarters in which numbers of [0, 1) lie."""
    return np.array(names)[(factor.to_numpy() * 4).astype(int)]


def draw_factors(
    name: str, seed: int, indices: np.ndarray, homes: np.ndarray, nuisances: Nuisances
) -> pd.DataFrame:
    """Draw the factors of images.

    Parameters
    ----------
    name, seed, indices
        The stream, and which of its images, (n,).
    homes
        Habitat of each image's species, positions in `SCENES`, (n,).
    nuisances
        How much factors vary.

    Returns
    -------
    pandas.DataFrame
        One row an image. The factors of `QUARTERS` and `side` are uniform in [0, 1); `scene` is a
        position in `SCENES`; `occlusion` and `blur` are positions in `OCCLUSION` and `BLUR`;
        `flipped` is boolean.
    """
    draws = draw_columns(name, seed, indices, _COLUMNS)
    elsewhere = (draws["elsewhere"].to_numpy() * len(HABITATS)).astype(int)
    occlusion = np.where(
        draws["occluded"] < nuisances.occluded, 1 + np.floor(draws["occlusion"] * 3), 0
    )
    blur = np.where(draws["blurred"] < nuisances.blurred, 1 + np.floor(draws["blur"] * 2), 0)
    return draws[[*QUARTERS, "side"]].assign(
        flipped=draws["flipped"] < 0.5,
        scene=np.where(draws["at_home"] < nuisances.habitat, homes, elsewhere),
        occlusion=occlusion.astype(int),
        blur=blur.astype(int),
    )


def habitat(path: Path) -> int:
    """Where a species lives, a position in `HABITATS`: mostly where its family does."""
    own, kept = _habitat_draws(path)
    place = _habitat_draws(path[:5])[0] if kept < 0.55 else own
    return int(place * len(HABITATS))


@cache
def _habitat_draws(path: Path) -> tuple[float, float]:
    return tuple(uniforms("habitat " + ".".join(map(str, path)), 0, [0], 2)[0])


def pose_of(factors: pd.DataFrame, nuisances: Nuisances) -> Pose:
    """Turn the factors of pose into pixels, radians and body radii."""

    def centred(factor: str) -> np.ndarray:
        return factors[factor].to_numpy() * 2 - 1

    small, large = nuisances.radius
    return Pose(
        x=centred("x") * nuisances.shift,
        y=centred("y") * nuisances.shift,
        rotation=np.deg2rad(centred("rotation") * nuisances.rotation),
        radius=small + (large - small) * factors["scale"].to_numpy(),
        flipped=factors["flipped"].to_numpy(),
        bend=0.22 * centred("bend"),
    )


def tell(factors: pd.DataFrame) -> pd.DataFrame:
    """Tell factors as strings: numeric ones by quarters, in the order of `QUARTERS`."""
    return pd.DataFrame(
        {
            "scene": np.array(SCENE_NAMES)[factors["scene"]],
            **{factor: quarters(factors[factor], names) for factor, names in QUARTERS.items()},
            "flipped": np.where(factors["flipped"], "yes", "no"),
            "occlusion": np.array(OCCLUSION)[factors["occlusion"]],
            "blur": np.array(BLUR)[factors["blur"]],
        }
    )
