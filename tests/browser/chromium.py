"""What the tests in a browser share: Chromium, pictures for a look, what shadow trees hold."""

import os
import shutil
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)

if BROWSER is None:
    pytest.skip(f"none of {', '.join(BROWSERS)} is installed", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api")

# Bokeh draws in shadow trees: how many elements there are larger than an icon.
IN_SHADOW = """selector => {
    const inside = root => [...root.querySelectorAll('*')].flatMap(e =>
        [...(e.matches(selector) ? [e] : []), ...(e.shadowRoot ? inside(e.shadowRoot) : [])]);
    return inside(document).filter(e => e.getBoundingClientRect().width > 50).length;
}"""


def keep_picture(page, name):
    """Keep a picture of the page where one is asked for, for a look at it."""
    if folder := os.environ.get("ZSC_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
