"""A figure as an SVG element of a page, as small as it can be without a difference to be seen.

What matplotlib writes is absolute, indented and styled element by element. A report has thousands
of curves, most of them twice: the baseline stands in the row of every controller.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from atn_gym.eval.report import drawing
from atn_gym.eval.report.render import page_svg
from atn_gym.eval.report.svg_path import is_lines, moved, steps, tenths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDE = 6.0
"""Inches above which a figure is not made narrower on a phone: one scrolls."""
_COLOURS = {
    getattr(drawing, name): f"var(--{name.lower()})"
    for name in ("INK", "MUTED", "LINE", "CONTENDER", "BASELINE", "REFERENCE", "SHOCK")
}
_COLOURS |= {colour: f"var(--beginning-{i})" for i, colour in enumerate(drawing.BEGINNINGS) if i}
_WORTH = 60
"""Letters of a path from which on a reference to it is shorter."""
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_DECIMALS = re.compile(r"(\.\d)\d+")
_HREF = "{http://www.w3.org/1999/xlink}href"
_UPRIGHT = re.compile(r" ?rotate\(-0 [^)]*\)")


def to_svg(figure: Figure, number: int, description: str, numbers: dict[str, int]) -> str:
    """A figure as an element of a page, in the colours of its style sheet.

    Args:
        figure: The figure.
        number: Its number on the page, which keeps its ids apart from those of others.
        description: For those who cannot see it.
        numbers: Number of each controller: what belongs to it has the class "c" and the number.
    """
    root = ElementTree.fromstring(page_svg(figure))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if _HREF in element.attrib:
            element.set("href", element.attrib.pop(_HREF))
    _inline_paths(root)
    _name(root, f"f{number}-", numbers)
    _shorten_text(root)
    _share_paths(root, f"f{number}-p")
    _unwrap(root)
    style = _classes(root, f"f{number}")
    width, _ = figure.get_size_inches()
    start = (
        f'<svg class="figure{" wide" if width > _WIDE else ""}" role="img" '
        f'aria-label="{html.escape(description)}" '
        f'style="max-width: {1.15 * 96 * width:.0f}px" viewBox="{root.get("viewBox")}">'
    )
    drawn = "\n".join(ElementTree.tostring(child, "unicode").strip() for child in root)
    return f"{start}\n{style}{drawn}\n</svg>"


def _inline_paths(root: ElementTree.Element) -> None:
    """Draws what is defined and used once where it is used: bands are written so."""
    uses = Counter(e.get("href") for e in root.iter("use"))
    defined = {f"#{e.get('id')}": e for e in root.iter("path") if e.get("id")}
    for use in root.iter("use"):
        path = defined.get(use.get("href", ""))
        if path is None or uses[use.get("href")] > 1 or "style" in path.attrib:
            continue
        x, y = (float(use.attrib.pop(axis)) for axis in "xy")
        use.tag = "path"
        use.set("d", moved(path.attrib.pop("d"), x, y))
        del use.attrib["href"]


def _name(root: ElementTree.Element, prefix: str, numbers: dict[str, int]) -> None:
    """Ids that are used get a prefix; those of controllers become classes; others go."""
    used = {e.get("href", "#")[1:] for e in root.iter()}
    used |= {e.get("clip-path", "url(#)")[5:-1] for e in root.iter()}
    for element in root.iter():
        found = element.attrib.pop("id", None)
        if found in used:
            element.set("id", prefix + found)
        elif found is not None and found.startswith(drawing.CONTROLLER):
            controller = numbers.get(found.removeprefix(drawing.CONTROLLER))
            if controller is not None:
                element.set("class", f"c{controller}")
        for key, before in (("href", "#"), ("clip-path", "url(#")):
            if key in element.attrib:
                element.set(key, element.attrib[key].replace(before, before + prefix))


def _shorten_text(root: ElementTree.Element) -> None:
    """A tenth of a point is finer than a screen; text that does not turn says nothing of it."""
    for element in root.iter():
        for key in {"x", "y", "width", "height", "transform"} & set(element.attrib):
            element.set(key, _DECIMALS.sub(r"\1", _UPRIGHT.sub("", element.attrib[key])))
        if element.get("transform") == "":
            del element.attrib["transform"]
        if "style" in element.attrib:
            style = re.sub(r"font: ([\d.]+)px '[^;]*", r"font-size: \1px", element.attrib["style"])
            element.set("style", _COLOUR.sub(lambda c: _COLOURS.get(c[0], c[0]), style))


def _share_paths(root: ElementTree.Element, prefix: str) -> None:
    """Writes lines by their steps, and one that was drawn elsewhere by a reference to it."""
    first: dict[tuple[str, str | None], tuple[ElementTree.Element, int, int]] = {}
    for element in list(root.iter("path")):
        if not is_lines(element.get("d", "")):
            continue
        x, y, rest = steps(element.attrib.pop("d"))
        key = rest, element.get("style")
        if len(rest) < _WORTH or key not in first:
            element.set("d", f"M{tenths(x)} {tenths(y)}{rest}")
            first.setdefault(key, (element, x, y))
            continue
        model, model_x, model_y = first[key]
        model.set("id", model.get("id") or f"{prefix}{len(first)}")
        element.tag = "use"
        element.attrib.pop("style", None)
        element.set("href", f"#{model.get('id')}")
        element.set("x", tenths(x - model_x))
        element.set("y", tenths(y - model_y))


def _unwrap(element: ElementTree.Element) -> None:
    """Leaves out groups and definitions that say nothing, and the space between elements."""
    children: list[ElementTree.Element] = []
    for child in element:
        _unwrap(child)
        if child.tag == "g" and not child.attrib:
            children += child
        elif child.tag == "path" and "d" not in child.attrib:
            continue
        elif child.tag not in ("metadata", "style") and (child.tag != "defs" or len(child)):
            children.append(child)
    element[:] = children
    if element.tag != "text":
        element.text = None
    element.tail = None


def _classes(root: ElementTree.Element, prefix: str) -> str:
    """Turns styles that are used twice into classes; returns their style sheet."""
    counts = Counter(e.get("style") for e in root.iter() if e is not root)
    named = {
        style: f"{prefix}s{i}" for i, style in enumerate(counts) if style and counts[style] > 1
    }
    for element in root.iter():
        style = element.get("style")
        if style in named:
            del element.attrib["style"]
            element.set("class", f"{element.get('class', '')} {named[style]}".strip())
    rules = "".join(f".{name}{{{style}}}" for style, name in named.items())
    return f"<style>{html.escape(rules, quote=False)}</style>"
