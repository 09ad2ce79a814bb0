"""Characters drawn in the typefaces that matplotlib ships: `glyphs`, a small taxonomy."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from zsc_utils.cache import versions
from zsc_utils.datasets.base import ArrayImages, dataset

SIDE = 64

# For each script five letters and the same letters under an accent, which every typeface below has.
LETTERS = {
    "Latin": ("AEOCN", "ÁÉÓĆŃ"),
    "Greek": ("ΑΕΗΟΩ", "ΆΈΉΌΏ"),
    "Cyrillic": ("ЕИГКУ", "ЁЙЃЌЎ"),
}
TYPEFACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold"),
    *("DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
)


def draw_glyph(character: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """Draw one character in black on white, its ink box centred, grey uint8 (64, 64)."""
    canvas = Image.new("L", (SIDE, SIDE), 255)
    left, top, right, bottom = font.getbbox(character)
    corner = ((SIDE - left - right) / 2, (SIDE - top - bottom) / 2)
    ImageDraw.Draw(canvas).text(corner, character, fill=0, font=font)
    return np.asarray(canvas)


@dataset(
    "glyphs",
    version=1,
    display="Glyphs",
    group="Fine-grained",
    label="character",
    source="60 letters of three scripts in 16 typefaces of matplotlib, 64 x 64, grey",
    taxonomy=("script", "letter", "character"),
)
def glyphs(root: Path, partition: str):
    """Draw every character in every typeface.

    Label levels: `script`, `letter` (script and unaccented capital), `character`, and, apart from
    that tree, `typeface`.
    """
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    pixels, rows = [], []
    for typeface in TYPEFACES:
        font = ImageFont.truetype(folder / f"{typeface}.ttf", size=40)
        for script, (plain, accented) in LETTERS.items():
            for capital in plain + accented:
                for character in (capital, capital.lower()):
                    letter = unicodedata.normalize("NFD", capital)[0]
                    pixels.append(draw_glyph(character, font))
                    rows.append((script, f"{script} {letter}", character, typeface))
    labels = pd.DataFrame(rows, columns=["script", "letter", "character", "typeface"])
    return ArrayImages(np.stack(pixels)), labels, SIDE, versions("matplotlib", "pillow")
