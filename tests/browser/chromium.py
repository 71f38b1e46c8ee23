"""Where Chromium is: one rule for the browser tests and `.ci/chromium`."""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str:
    """The path of $CHROMIUM if set, else of the first of NAMES on the path, else of the one Playwright installed.

    Raises RuntimeError, saying what to install, if there is none.
    """
    if wanted := os.environ.get("CHROMIUM"):
        if path := shutil.which(wanted):
            return path
        raise RuntimeError(f"CHROMIUM is {wanted!r}, which is not a program; set it to Chromium's path or unset it")
    for name in NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        bundled = Path(playwright.chromium.executable_path)
    if bundled.is_file():
        return str(bundled)
    raise RuntimeError(
        "The browser tests need Chromium and found none. Install the package chromium (Debian: apt-get install chromium) "
        "or run `.venv/bin/playwright install --with-deps chromium`, or set CHROMIUM to its path."
    )


if __name__ == "__main__":
    try:
        print(find())
    except RuntimeError as error:
        sys.exit(str(error))
