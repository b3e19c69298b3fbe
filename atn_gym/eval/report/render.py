"""Figures as SVG and PDF."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from atn_gym.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Text stays text on a page, and a figure drawn twice is the same twice.
_PAGE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "atn_gym"}
_PAPER: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": "atn_gym", "pdf.fonttype": 42}


def page_svg(figure: Figure) -> str:
    """A figure as SVG whose text is text."""
    return _saved(figure, "svg", _PAGE).decode()


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
