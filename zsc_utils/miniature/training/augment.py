"""Random augmentation of whole batches of images, each image with its own draw.

torchvision's transforms draw once a batch, and image by image they would be the bottleneck of
training on a CPU. Here crop, flip and blur are one linear map along each axis, and colour jitter is
one linear map of the colours: a few batched matrix products in all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from zsc_utils.encoders.transforms import IMAGENET_MEAN, IMAGENET_STD

LUMA = (0.299, 0.587, 0.114)
# RGB to YIQ, where a turn of the last two axes is a turn of the hue that leaves greys alone.
YIQ = (LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class Augmentation:
    """Random resized crop, flip, colour jitter, greyscale, blur and solarisation, then normalised.

    The operations and the default strengths are those of SimCLR and BYOL (arXiv 2002.05709,
    2006.07733), the blur scaled to small images. Jitter comes in a fixed order and is not clipped
    between its parts.

    Parameters
    ----------
    size
        Side of the crops in pixels.
    scale
        Range of the crop's share of the image's area.
    flip, jitter, grey, blur, solarise
        Probability of each operation.
    brightness, contrast, saturation
        Factors are drawn from 1 ± this.
    hue
        Turn of the hue, as share of the circle, is drawn from ± this.
    sigma
        Range of the blur's standard deviation in pixels.
    """

    size: int = 64
    scale: tuple[float, float] = (0.2, 1.0)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grey: float = 0.2
    blur: float = 0.5
    sigma: tuple[float, float] = (0.1, 1.0)
    solarise: float = 0.0

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Augment a batch.

        Parameters
        ----------
        images
            uint8, (n, height, width, 3).

        Returns
        -------
        float32, (n, 3, size, size), with the mean and standard deviation of ImageNet taken out.
        """
        x = self._colour(self._resample(images).clamp_(0, 1))
        if self.solarise:
            chosen = self._chosen(self.solarise, images).view(-1, 1, 1, 1)
            x = torch.where(chosen & (x > 0.5), 1 - x, x)
        return normalise(x)

    def _chosen(self, probability: float, images: torch.Tensor) -> torch.Tensor:
        return _uniform(images, 0, 1) < probability

    def _resample(self, images: torch.Tensor) -> torch.Tensor:
        """Crop, resize, flip and blur: float32 (n, 3, size, size) on the scale of 0 to 1."""
        n, height, width, _ = images.shape
        area = _uniform(images, *self.scale)
        ratio = _uniform(images, math.log(3 / 4), math.log(4 / 3)).exp()
        high, wide = (area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1)
        rows = _interpolation(height, self.size, _uniform(images, 0, 1) * (1 - high), high)
        columns = _interpolation(width, self.size, _uniform(images, 0, 1) * (1 - wide), wide)
        flipped = self._chosen(self.flip, images).view(-1, 1, 1)
        columns = torch.where(flipped, columns.flip(1), columns)
        if self.blur:
            sigma = torch.where(
                self._chosen(self.blur, images), _uniform(images, *self.sigma), 0.01
            )
            kernel = _gaussian(self.size, sigma)
            rows, columns = kernel @ rows, kernel @ columns
        x = images.float().div_(255).reshape(n, height, width * 3)
        x = (rows @ x).view(n, self.size, width, 3).permute(0, 3, 1, 2)
        x = x.reshape(n, 3 * self.size, width) @ columns.transpose(1, 2)
        return x.view(n, 3, self.size, self.size)

    def _colour(self, x: torch.Tensor) -> torch.Tensor:
        """Jitter brightness, contrast, saturation and hue, and take the colour of some away."""
        if not (self.jitter or self.grey):
            return x
        jittered = self._chosen(self.jitter, x).float()
        # Without jitter the factors are 1 and the angle is 0.
        brightness, contrast, saturation = (
            1 + jittered * _uniform(x, -span, span)
            for span in (self.brightness, self.contrast, self.saturation)
        )
        angle = jittered * _uniform(x, -self.hue, self.hue) * (2 * math.pi)
        saturation = torch.where(self._chosen(self.grey, x), 0.0, saturation)
        luma, yiq = x.new_tensor(LUMA), x.new_tensor(YIQ)
        turn = torch.eye(3, device=x.device).repeat(len(x), 1, 1)
        turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
        turn[:, 2, 1] = angle.sin()
        turn[:, 1, 2] = -angle.sin()
        greys = luma.expand(3, 3)
        s = saturation.view(-1, 1, 1)
        mix = s * torch.eye(3, device=x.device) + (1 - s) * greys
        colours = torch.linalg.inv(yiq) @ turn @ yiq @ mix
        pixels = x.flatten(2)
        middle = brightness * (1 - contrast) * (pixels.mean(2) @ luma)
        scaled = colours * (brightness * contrast).view(-1, 1, 1)
        # Greys are fixed points of both maps, so contrast's shift can be added at the end.
        out = torch.baddbmm(middle.view(-1, 1, 1).expand(-1, 3, 1), scaled, pixels)
        return out.clamp_(0, 1).view_as(x)


def unlike_pair(size: int) -> tuple[Augmentation, Augmentation]:
    """MoCo-v3's two augmentations, after BYOL's: they differ in blur and solarisation alone."""
    return Augmentation(size=size, blur=0.9), Augmentation(size=size, blur=0.1, solarise=0.2)


def normalise(x: torch.Tensor) -> torch.Tensor:
    """Take ImageNet's mean and standard deviation out of float32 images (n, 3, h, w) in [0, 1]."""
    mean, std = (x.new_tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (x - mean) / std


def plain(images: torch.Tensor) -> torch.Tensor:
    """Give images as an encoder sees them outside training.

    Parameters
    ----------
    images
        uint8, (n, height, width, 3).

    Returns
    -------
    float32, (n, 3, height, width).
    """
    return normalise(images.permute(0, 3, 1, 2).float().div(255))


def _uniform(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """One draw an image; on the CPU, so that all devices see the same."""
    return torch.rand(len(like)).mul_(high - low).add_(low).to(like.device)


def _interpolation(side: int, size: int, start: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Weights (n, size, side) that read `size` points out of part of an axis of `side` pixels.

    Linear interpolation, with the triangle as wide as the step where the crop is shrunk
    (antialiasing). `start` and `length` (n,) are shares of the axis.
    """
    points = (torch.arange(size, device=start.device) + 0.5) / size
    centres = (start[:, None] + points * length[:, None]) * side - 0.5
    distance = (torch.arange(side, device=start.device) - centres[:, :, None]).abs()
    reach = (length * side / size).clamp(min=1).view(-1, 1, 1)
    weights = (1 - distance / reach).clamp(min=0)
    return weights / weights.sum(2, keepdim=True)


def _gaussian(size: int, sigma: torch.Tensor) -> torch.Tensor:
    """Weights (n, size, size) of a Gaussian blur along an axis; `sigma` (n,) in pixels."""
    position = torch.arange(size, device=sigma.device, dtype=torch.float32)
    squared = (position[:, None] - position).square()
    weights = torch.exp(-squared / (2 * sigma.square().view(-1, 1, 1)))
    return weights / weights.sum(2, keepdim=True)
