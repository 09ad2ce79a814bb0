"""From an image to what a network takes."""

from __future__ import annotations

from collections.abc import Callable

# The study's input: ImageNet statistics, whatever the dataset.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def image_transform(
    size: int,
    *,
    resize: int | None = None,
    interpolation: str = "bilinear",
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
) -> Callable:
    """Resize the shorter side (antialiased), crop the centre, scale to [0, 1], normalise.

    Parameters
    ----------
    size
        Side of the crop in pixels.
    resize
        Length of the shorter side before the crop; the crop's by default, as in the study.
    interpolation
        `bilinear` or `bicubic`.
    mean, std
        Of each channel.
    """
    import torch
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.RGB(),
            v2.Resize(resize or size, interpolation=v2.InterpolationMode(interpolation)),
            v2.CenterCrop(size),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
        ]
    )
