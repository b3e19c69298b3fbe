"""Figures as SVG for a page, and as SVG and PDF for a paper."""

from __future__ import annotations

import html
import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from atn_gym.eval.report import drawing
from atn_gym.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDE = 6.0
"""Inches above which a figure is not made narrower on a phone: one scrolls."""
_COLOURS = {
    getattr(drawing, name): f"var(--{name.lower()})"
    for name in ("INK", "MUTED", "LINE", "CONTENDER", "BASELINE", "REFERENCE", "SHOCK")
}
_COLOURS |= {colour: f"var(--beginning-{i})" for i, colour in enumerate(drawing.BEGINNINGS) if i}
_DECIMALS = re.compile(r"(\.\d)\d+")
# Text stays text, and a figure drawn twice is the same twice.
_PAGE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "atn_gym"}
_PAPER: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": "atn_gym", "pdf.fonttype": 42}


def to_svg(figure: Figure, number: int, description: str, numbers: dict[str, int]) -> str:
    """A figure as an element of a page, in the colours of its style sheet.

    Args:
        figure: The figure.
        number: Its number on the page, which keeps its ids apart from those of others.
        description: For those who cannot see it.
        numbers: Number of each controller: what belongs to it has the class "c" and the number.
    """
    text = _saved(figure, "svg", _PAGE).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))

    def marked(found: re.Match[str]) -> str:
        name = html.unescape(found[1])
        if name in used:
            return f' id="f{number}-{found[1]}"'
        controller = numbers.get(name.removeprefix(drawing.CONTROLLER))
        is_one = name.startswith(drawing.CONTROLLER) and controller is not None
        return f' class="c{controller}"' if is_one else ""

    text = re.sub(r' id="([^"]*)"', marked, text)
    text = re.sub(r'(url\(|href=")#', rf"\g<1>#f{number}-", text).replace("xlink:href", "href")
    text = re.sub(r"#[0-9a-f]{6}\b", lambda found: _COLOURS.get(found[0], found[0]), text)
    text = re.sub(r"font: ([\d.]+)px '[^;\"]*", r"font-size: \1px", text)
    # A tenth of a point is finer than a screen.
    text = re.sub(
        r' (?:d|x|y|transform)="[^"]*"', lambda found: _DECIMALS.sub(r"\1", found[0]), text
    )
    width, _ = figure.get_size_inches()
    is_wide = " wide" if width > _WIDE else ""
    start = (
        f'<svg class="figure{is_wide}" role="img" aria-label="{html.escape(description)}" '
        f'style="max-width: {1.15 * 96 * width:.0f}px"'
    )
    found = re.search(r'viewBox="[^"]*"', text)
    box = found[0] if found else ""
    return re.sub(r"\n\s*", "\n", f"{start} {box}>{text[text.index('>') + 1 :]}".strip())


def save(figure: Figure, path: Path) -> None:
    """Writes a figure for a paper.

    Args:
        figure: The figure.
        path: A file whose suffix is .svg or .pdf.
    """
    write_atomically(path, _saved(figure, path.suffix[1:], _PAPER))


def _saved(figure: Figure, kind: str, how: dict[Any, Any]) -> bytes:
    file = io.BytesIO()
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with mpl.rc_context(how), warnings.catch_warnings():
        # A label may have letters that the font does not.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format=kind, metadata=dates[kind])
    return file.getvalue()
