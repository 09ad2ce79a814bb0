"""Notebooks in a real JupyterLab, run by a real browser: `make browser`.

Plain pytest does not collect this file: it needs Chromium, and minutes. Notebooks run with their
default parameters where the results of the default profile are there (`make all`); elsewhere with
the profile `smoke`, which a warning says.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path

import pytest
from chromium import IN_SHADOW, keep_picture

ROOT = Path(__file__).resolve().parents[2]
MINUTES = 8

# What the outputs hold once all cells ran. Pictures and frames count if they have a size.
OUTPUTS = """() => {
    const sized = found => [...found].filter(e => e.getBoundingClientRect().width > 50);
    const output = '.jp-OutputArea-output';
    return {
        images: sized(document.querySelectorAll(`${output} img`)).length,
        frames: sized(document.querySelectorAll(`${output} iframe`)).length,
        errors: [...document.querySelectorAll(`${output}[data-mime-type*="error"]`)]
            .map(e => e.innerText),
        finding: [...document.querySelectorAll('.jp-CodeCell')].at(-1).innerText,
        unfinished: [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
            .filter(e => !/\\[\\d+\\]:/.test(e.innerText)).length,
    };
}"""


def default_results_are_there(build):
    from zsc_utils.sweep.cells import plan
    from zsc_utils.sweep.forecast import progress_report
    from zsc_utils.sweep.profile import load_profile

    return progress_report(plan(load_profile("mini")), build)["missing"] == 0


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, so that notebooks overwrite nothing; its results are the project's."""
    root = tmp_path_factory.mktemp("project")
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("zsc_utils", "profiles", "notebooks"):
        shutil.copytree(ROOT / name, root / name, ignore=ignore)
    (root / "weights").symlink_to(ROOT / "weights")
    build = Path(os.environ.get("ZSC_BUILD") or ROOT / "build")
    if not default_results_are_there(build):
        warnings.warn("profile mini was not computed: smoke stands in for it", stacklevel=1)
        for path in (root / "notebooks").glob("*.ipynb"):
            source = path.read_text()
            path.write_text(source.replace('profile = \\"mini\\"', 'profile = \\"smoke\\"'))
    return root, build


@pytest.fixture(scope="module")
def lab(project, tmp_path_factory):
    """A JupyterLab server; yields the address of a notebook by its name."""
    root, build = project
    home = tmp_path_factory.mktemp("home")
    settings = home / "settings" / "@jupyterlab"
    # Cells that are not in sight are in the page nevertheless; and no news is asked for.
    for plugin, content in {
        "notebook-extension/tracker": '{"windowingMode": "none", "autoStartDefaultKernel": true}',
        "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
    }.items():
        file = settings / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(content)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    own = {
        "PYTHONPATH": str(root),
        "ZSC_BUILD": str(build),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
        *(f"--notebook-dir={root / 'notebooks'}", f"--ServerApp.port={port}"),
        *("--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
    ]
    log = home / "log"
    with open(log, "w") as stream:
        server = subprocess.Popen(
            command, env=os.environ | own, stdout=stream, stderr=subprocess.STDOUT
        )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{base}/api/status?token={token}", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()[-3000:]
                time.sleep(1)
        yield lambda name: f"{base}/doc/tree/{name}?token={token}"
    finally:
        server.terminate()
        server.wait(30)


def run_all(browser, address):
    """Open a notebook, run all its cells by the menu, wait for the last, and return the page."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(address)
    # A notebook that is being read is shown with one empty cell.
    page.locator(".jp-Notebook .jp-CodeCell").nth(3).wait_for(timeout=120_000)
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=120_000)
    page.wait_for_timeout(2000)
    page.locator(".lm-MenuBar-item", has_text="Run").click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    end = time.monotonic() + 60 * MINUTES
    while time.monotonic() < end:
        found = page.evaluate(OUTPUTS)
        if found["errors"] or not found["unfinished"]:
            break
        # A kernel that is slow to start is asked about.
        question = page.locator(".jp-Dialog button.jp-mod-accept")
        if question.count():
            question.first.click()
        page.wait_for_timeout(1000)
    keep_picture(page, address.rpartition("/")[2].partition(".")[0])
    return page, page.evaluate(OUTPUTS)


def test_a_section_runs_from_top_to_bottom(lab, browser):
    page, found = run_all(browser, lab("04_pca_variance.ipynb"))
    assert not found["errors"] and not found["unfinished"]
    assert found["images"] >= 1
    assert "%" in found["finding"]
    page.close()


def test_own_images_run_and_the_menus_draw_anew(lab, browser):
    page, found = run_all(browser, lab("00_own_images.ipynb"))
    assert not found["errors"] and not found["unfinished"]
    assert found["images"] >= 2 and found["frames"] == 1
    frame = page.locator(".jp-OutputArea-output iframe")
    frame.scroll_into_view_if_needed()
    canvases = 0
    for _ in range(20):
        canvases = frame.element_handle().content_frame().evaluate(IN_SHADOW, "canvas")
        if canvases:
            break
        page.wait_for_timeout(500)
    assert canvases >= 2, "the map is drawn, by class and by cluster"
    assert has_thumbnail_on_hover(page, frame)
    keep_picture(page, "00")

    menu = page.locator(".jp-OutputArea-output select").last
    before = frame.get_attribute("title")
    # Menus write spaces that do not break.
    names = [name.replace("\xa0", " ") for name in menu.locator("option").all_inner_texts()]
    other = next(i for i, name in enumerate(names) if name not in before)
    menu.select_option(index=other)
    page.locator(f'.jp-OutputArea-output iframe[title$="{names[other]}"]').wait_for(timeout=120_000)
    assert frame.count() == 1, "the new map is in the place of the old"
    page.close()


def has_thumbnail_on_hover(page, frame):
    """Move over the left map until an image appears beside the pointer."""
    box = frame.bounding_box()
    inside = frame.element_handle().content_frame()
    for x in range(40, int(box["width"] / 2), 12):
        for y in range(60, 360, 12):
            page.mouse.move(box["x"] + x, box["y"] + y)
            if inside.evaluate(IN_SHADOW, "img"):
                return True
    return False
