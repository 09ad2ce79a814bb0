"""The browser that all tests here share."""

import pytest


@pytest.fixture(scope="module")
def browser():
    # Where there is none, the files that ask for it are skipped as they are read.
    from chromium import BROWSER, sync_api

    with sync_api.sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had by root, and everything here is the project's own.
        running = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield running
        running.close()
