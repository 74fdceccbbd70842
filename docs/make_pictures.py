"""Make the pictures of README and documentation from the pages of this version, in a browser without a window.

    make pictures                                        # from the demo
    make pictures PATIENT=OUT/sub-12_ses-1.html          # and the report of a real patient

A picture carries the version in its PNG text; `tests/docs/test_pictures.py` compares it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from PIL import Image, PngImagePlugin

from bids_app import __version__

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
KEY = "Software"  # PNG's own keyword
COLOURS = 256  # of a picture: a third of the size, and no difference that can be seen


class Shot(NamedTuple):
    """A picture: its name, the page, the element (the window where empty), height of the window in pixels."""

    name: str
    page: str
    element: str = ""
    height: int = 1000


DEMO = (
    Shot("visit", "sub-001.html", height=1150),
    Shot("qc", "qc.html", height=900),
    Shot("cohort", "group.html", "#cohort"),
    Shot("gap", "group.html", "#edss_gap"),
    Shot("quality", "group.html", "#quality .strips"),
    Shot("viewer", "sub-001/figures/sub-001_desc-viewer.html", height=1000),
)
PATIENT = (Shot("patient", "", height=1150), Shot("patient-lesions", "", "section#lesions"))


def take(browser: object, page: Path, shot: Shot, folder: Path) -> Path:
    """Open a page, take its picture, keep the version with it; return the file."""
    opened = browser.new_page(viewport={"width": 1280, "height": shot.height}, color_scheme="light")  # type: ignore[attr-defined]
    opened.goto(page.resolve().as_uri())
    if shot.name == "viewer":
        opened.locator("body[data-ready]").wait_for(timeout=120_000)
    opened.wait_for_timeout(1500)
    target = folder / f"{shot.name}.png"
    (opened.locator(shot.element).first if shot.element else opened).screenshot(path=str(target))
    opened.close()
    about = PngImagePlugin.PngInfo()
    about.add_text(KEY, f"Demyelin {__version__}")
    with Image.open(target) as image:
        small = image.convert("RGB").quantize(COLOURS)
    small.save(target, pnginfo=about, optimize=True)
    return target


def main() -> int:
    """Take every picture; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the demo's derivatives")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--patient", type=Path, help="the report of a real patient")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("no Chromium on this machine: apt-get install chromium", file=sys.stderr)
        return 2
    shots = [(options.out / shot.page, shot) for shot in DEMO]
    if options.patient:
        shots += [(options.patient, shot) for shot in PATIENT]
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=FLAGS)
        for page, shot in shots:
            print(take(browser, page, shot, options.folder))
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
