"""Figures inside a page: SVG files made fit to stand in HTML, so that their colours follow the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from markupsafe import Markup

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
DROPPED = {f"{SVG}{name}" for name in ("metadata", "title", "style", "script", "foreignObject")}
PIXELS = 1.4  # of a point at full width
REFERENCE = re.compile(r"url\(#([^)]*)\)")


def inline_svg(path: Path, prefix: str, alt: str, links: Mapping[str, str] | None = None) -> Markup:
    """Return a figure that Demyelin drew as an element of a page.

    Style declarations become attributes, for the page's policy allows no style attributes; names inside are
    made unique by a prefix.

    Parameters
    ----------
    path : Path
        SVG file as `bids_app.figures.drawing` keeps it.
    prefix : str
        Letters, digits, `-` and `_`; unique in the page.
    alt : str
        What the figure shows.
    links : mapping of str to str, optional
        Address of each visit's report beside the page; a point of another visit says its name alone.
    """
    # the file is this run's own, and what is serialised is escaped
    root = ElementTree.fromstring(path.read_bytes())  # noqa: S314
    _drop(root)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        _plain_attributes(element, prefix)
    linked = [_name_point(element, links or {}) for element in list(root.iter("a"))]
    width = float(root.attrib["viewBox"].split()[2])
    root.attrib = {"viewBox": root.attrib["viewBox"], "width": f"{width * PIXELS:.0f}"}
    root.attrib |= {
        "class": "figure",
        "role": "group" if any(linked) else "img",
        "aria-label": alt,
        "stroke-linejoin": "round",
    }
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=True))  # noqa: S704


def _name_point(element: ElementTree.Element, links: Mapping[str, str]) -> bool:
    """Give a point that was drawn as a link the name of its visit; return whether it opens the visit's report."""
    visit = unquote(element.attrib.pop("href", "")).rsplit("/", maxsplit=1)[-1].removesuffix(".html")
    title = ElementTree.Element("title")
    title.text = visit
    element.insert(0, title)
    if visit not in links:
        element.tag = "g"
        return False
    element.attrib |= {"href": links[visit], "tabindex": "-1", "aria-label": f"{visit}: open its report"}
    return True


def _drop(parent: ElementTree.Element) -> None:
    for child in list(parent):
        if child.tag in DROPPED:
            parent.remove(child)
        else:
            _drop(child)


def _plain_attributes(element: ElementTree.Element, prefix: str) -> None:
    """Turn an element's style into attributes and make its names unique."""
    declared = element.attrib.pop("style", "")
    for declaration in filter(None, declared.split(";")):
        name, _, value = declaration.partition(":")
        if name.strip() != "font-family":  # the page has one font
            element.set(name.strip(), value.strip())
    link = element.attrib.pop(f"{XLINK}href", None)
    if link is not None:
        element.set("href", f"#{prefix}-{link[1:]}" if link.startswith("#") else link)
    if "id" in element.attrib:
        element.set("id", f"{prefix}-{element.attrib['id']}")
    for name, value in element.attrib.items():
        if "url(#" in value:
            element.set(name, REFERENCE.sub(rf"url(#{prefix}-\1)", value))
