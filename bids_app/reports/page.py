"""The shell of every report: one template environment, one style, one script, a strict content policy."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bids_app import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

MIME = {".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg", ".svg": "image/svg+xml"}
TEMPLATES = "bids_app.reports"


def render(template: str, *, beside: bool = False, **context: Any) -> str:
    """Render a page of `templates/` that opens offline.

    Everything put in is escaped. The page's style and script are inline and allowed by their hashes; nothing
    else may run or be fetched (see `policy`).

    Parameters
    ----------
    template : str
        File name, e.g. `visit.html.j2`; it extends `base.html.j2` and may use `macros.html.j2`.
    beside : bool
        Whether the page shows pictures that lie beside it; by default all of them are inside it.
    **context
        Values for the template.

    Returns
    -------
    str
        HTML.
    """
    return _environment().get_template(template).render(policy=policy(beside), version=__version__, **context)


def render_viewer(*, library: str, **context: Any) -> str:
    """Render the viewer's page.

    Parameters
    ----------
    library : str
        The viewer's program, put in as it is: it is too large for a template.
    **context
        Values for the template.
    """
    script = library.replace("</script", "<\\/script")
    environment = _environment()
    hashes = " ".join(
        f"'{content_hash(text)}'" for text in (script, environment.get_template("viewer.js").render())
    )
    strict = policy().split("script-src")[0]
    allowed = f"{strict}script-src {hashes}; connect-src data: blob:; base-uri 'none'; form-action 'none'"
    page = environment.get_template("viewer.html.j2").render(policy=allowed, version=__version__, **context)
    return page.replace("<script>LIBRARY</script>", f"<script>{script}</script>")


@lru_cache(maxsize=2)
def policy(beside: bool = False) -> str:
    """Return the Content-Security-Policy: own style and script by hash, pictures in it (`beside`: or beside it)."""
    style, script = (
        content_hash(_environment().get_template(name).render()) for name in ("style.css", "report.js")
    )
    pictures = " 'self' file:" if beside else ""
    return (
        f"default-src 'none'; img-src data: blob:{pictures}; style-src '{style}'; script-src '{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def data_uri(picture: Path | bytes, kind: str = ".png") -> str:
    """Return a picture as a `data:` address, to stand in a page.

    Parameters
    ----------
    picture : Path or bytes
        A file, whose ending tells its kind, or its content.
    kind : str
        Ending that tells the kind of content.
    """
    content, kind = (picture.read_bytes(), picture.suffix) if isinstance(picture, Path) else (picture, kind)
    return f"data:{MIME[kind]};base64,{base64.b64encode(content).decode('ascii')}"


def table_address(path: Path) -> str:
    """Return a table of the derivatives as a `data:` address, so that a page alone can save it, byte for byte."""
    return f"data:text/tab-separated-values;charset=utf-8,{quote(path.read_bytes())}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader

    return Environment(loader=PackageLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def content_hash(text: str) -> str:
    """Return a script's or style's hash as a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
