"""A collection: species, how they were photographed, and its images by index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from zsc_utils.miniature.world import camera, scenes
from zsc_utils.miniature.world.creatures import draw
from zsc_utils.miniature.world.factors import Nuisances, draw_factors, habitat, pose_of, tell
from zsc_utils.miniature.world.phylogeny import Path, genome, individuals, lineages
from zsc_utils.miniature.world.streams import grains
from zsc_utils.miniature.world.traits import express


@dataclass(frozen=True)
class Layers:
    """A batch of images before they are put together.

    Parameters
    ----------
    collection, indices
        Which images of which collection, (n,).
    creatures
        Colour of the creatures under their light, float64 (n, 3, 64, 64).
    cover
        How much of each pixel they cover, float64 (n, 64, 64).
    ground
        What stands behind, float64 (n, 3, 64, 64).
    factors
        One row an image.
    """

    collection: Collection
    indices: np.ndarray
    creatures: np.ndarray
    cover: np.ndarray
    ground: np.ndarray
    factors: pd.DataFrame


def plain_photograph(layers: Layers) -> np.ndarray:
    """Put creatures before their ground."""
    return camera.compose(layers.creatures, layers.cover, layers.ground)


Style = Callable[[Layers], np.ndarray]


@dataclass(frozen=True)
class Collection:
    """Species and how they were photographed.

    Parameters
    ----------
    name, seed
        The stream of random numbers.
    paths
        Species.
    size
        Number of images.
    nuisances
        How much the factors vary.
    style
        Puts layers together: (n, 3, 64, 64).
    order
        Species of each image, positions in `paths`, (size,); in turn where empty.
    """

    name: str
    seed: int
    paths: tuple[Path, ...]
    size: int
    nuisances: Nuisances = field(default_factory=Nuisances)
    style: Style = plain_photograph
    order: tuple[int, ...] = ()

    def species(self, indices: np.ndarray) -> np.ndarray:
        """Species of images, positions in `paths`."""
        return np.array(self.order)[indices] if self.order else indices % len(self.paths)

    def factors(self, indices: np.ndarray) -> pd.DataFrame:
        """Draw the factors of images (see `draw_factors`)."""
        homes = np.array([habitat(path) for path in self.paths])[self.species(indices)]
        return draw_factors(self.name, self.seed, indices, homes, self.nuisances)

    def labels(self, indices: np.ndarray) -> pd.DataFrame:
        """Ranks from coarse to fine, then every factor; one row an image, strings."""
        ranks = lineages(list(self.paths)).iloc[self.species(indices)].reset_index(drop=True)
        return pd.concat([ranks, tell(self.factors(indices))], axis=1)

    def ground(self, indices: np.ndarray, factors: pd.DataFrame) -> np.ndarray:
        """Paint the scenes of images, float64 (n, 3, 64, 64)."""
        noise = grains(f"{self.name} ground", self.seed, indices, scenes.GRAINS)
        horizon = factors["horizon"].to_numpy() * 2 - 1
        return scenes.paint_scene(factors["scene"].to_numpy(), noise, horizon)

    def layers(self, indices: np.ndarray) -> Layers:
        """Draw creatures and ground."""
        factors = self.factors(indices)
        species = [self.paths[place] for place in self.species(indices)]
        genes = np.stack([genome(path) for path in species])
        genes += individuals(self.name, self.seed, indices)
        traits = express(genes, np.array([path[0] for path in species]))
        drawing = draw(traits, pose_of(factors, self.nuisances))
        creatures = camera.shade(drawing, factors)
        ground = self.ground(indices, factors)
        return Layers(self, indices, creatures, drawing.cover, ground, factors)

    def paint(self, indices: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
        """Paint what stands before the camera, (n, 3, 64, 64); also its factors."""
        layers = self.layers(indices)
        image = self.style(layers)
        camera.occlude(image, layers.factors, self.nuisances)
        return image, layers.factors

    def render(self, indices: np.ndarray) -> np.ndarray:
        """Render images, uint8 (n, 64, 64, 3)."""
        image, factors = self.paint(indices)
        camera.illuminate(image, factors, self.nuisances)
        camera.blur(image, factors)
        sensor = grains(f"{self.name} sensor", self.seed, indices, camera.GRAINS)
        camera.add_noise(image, sensor, factors["noise"].to_numpy() * self.nuisances.noise)
        return camera.develop(image)
