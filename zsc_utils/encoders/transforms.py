"""From an image to what a network takes."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

# The study's input: ImageNet statistics, whatever the dataset.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


# Images that are longer lose their ends before they are resized.
LONGEST = 100


def cut_ends(image: Image.Image) -> Image.Image:
    """Cut the ends off an image that is more than a hundred times as long as it is wide.

    Transforms make the shorter side, be it one pixel, some hundred pixels long, and the other side
    in proportion; then they keep the centre. What is cut off here would have filled memory and been
    cut off there. The centre stays where it is. Other images are returned as they are.
    """
    width, height = image.size
    keep = LONGEST * min(width, height)
    if max(width, height) <= keep:
        return image
    # As much from both ends, or the centre would move by half a pixel.
    cut = (max(width, height) - keep) // 2
    x, y = (cut, 0) if width > height else (0, cut)
    return image.crop((x, y, width - x, height - y))


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
            cut_ends,
            v2.Resize(resize or size, interpolation=v2.InterpolationMode(interpolation)),
            v2.CenterCrop(size),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
        ]
    )
