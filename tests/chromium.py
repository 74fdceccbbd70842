"""A browser for reports and documentation: opened from disk, every complaint and every request written down."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parent / "axe" / "axe.min.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@dataclass
class Opened:
    """A page in the browser.

    Attributes
    ----------
    page : playwright.sync_api.Page
        To click, type and look.
    complaints : list of str
        Errors and warnings of the console, scripts that failed, what the page's policy refused.
    requests : list of str
        Every address that the page asked for.
    """

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def outside(self) -> list[str]:
        """Return the requests that left the disk and the page."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def barriers(self) -> list[str]:
        """Return axe-core's serious and critical findings, with the place of the first."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("async () => (await axe.run(document)).violations")
        return [
            f"{one['id']} ({one['impact']}, {len(one['nodes'])} times): {one['nodes'][0]['target']} "
            f"{one['nodes'][0]['html'][:200]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]

    def assert_clean(self) -> None:
        """Check that nothing complained, nothing was fetched and nobody is shut out."""
        assert self.complaints == []
        assert self.outside() == []
        assert self.barriers() == []


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return Chromium, started once; tests skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens a file: `open_page(path, scheme="dark", width=400, script=False)`."""
    contexts = []

    def start(
        path: Path, *, scheme: str = "light", width: int = 1280, height: int = 900, script: bool = True
    ) -> Opened:
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        context.set_default_timeout(90_000)  # a busy machine is slow, not wrong
        contexts.append(context)
        opened = Opened(context.new_page())
        page = opened.page
        page.on("console", lambda said: opened.complaints.append(said.text) if said.type != "log" else None)
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("request", lambda request: opened.requests.append(request.url))
        page.goto(path.resolve().as_uri())
        return opened

    yield start
    for context in contexts:
        context.close()
