"""Images that are rendered when they are first asked for, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

# A batch's planes fit a core's second-level cache.
BATCH = 16

Render = Callable[[np.ndarray], np.ndarray]


@dataclass
class RenderedImages:
    """Images by position, of which each batch is rendered once.

    Parameters
    ----------
    render
        Takes indices (n,), returns uint8 (n, height, width, 3); the same image for an index
        whatever its batch.
    size
        Number of images.
    """

    render: Render
    size: int
    _batches: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Image.Image:
        if not -self.size <= index < self.size:
            raise IndexError(f"image {index} of {self.size}")
        batch, place = divmod(int(index) % self.size, BATCH)
        if batch not in self._batches:
            start = batch * BATCH
            self._batches[batch] = self.span(start, min(start + BATCH, self.size))
        return Image.fromarray(self._batches[batch][place])

    @property
    def array(self) -> np.ndarray:
        """All images, uint8 (n, height, width, 3), rendered anew."""
        return self.span(0, self.size)

    def span(self, start: int, stop: int) -> np.ndarray:
        """Render a span of images, uint8 (stop - start, height, width, 3)."""
        batches = range(start, stop, BATCH)
        return np.concatenate(
            [self.render(np.arange(first, min(first + BATCH, stop))) for first in batches]
        )
