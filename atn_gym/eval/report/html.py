"""A report as one HTML page that needs no other file."""

from __future__ import annotations

import itertools
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from atn_gym.eval.metrics.formatting import printable
from atn_gym.eval.report.document import Document, Figure, Part, Row, Table
from atn_gym.eval.report.svg import to_svg

_LONGEST_WORD = 16
TEMPLATES = PackageLoader("atn_gym.eval.report")


def to_html(document: Document) -> str:
    """Writes a report as a page; all text is escaped."""
    numbers = {printable(controller): i for i, controller in enumerate(document.controllers)}
    count = itertools.count()

    def drawn(part: Figure) -> Markup:
        return Markup(to_svg(part.drawing, next(count), part.title, numbers))

    def row_class(row: Row) -> str:
        number = numbers.get(printable(row.cells[0].text))
        names = "apart" if row.is_reference else "", "" if number is None else f"c{number}"
        return " ".join(filter(None, names))

    environment = Environment(loader=TEMPLATES, autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "breakable": _breakable,
        "drawn": drawn,
        "kind": _kind,
        "row_class": row_class,
        "table_class": _table_class,
    }
    style, script = (
        Markup(TEMPLATES.get_source(environment, name)[0]) for name in ("report.css", "report.js")
    )
    page = environment.get_template("report.html")
    return page.render(document=document, style=style, script=script)


def _kind(part: Part) -> str:
    return type(part).__name__


def _table_class(table: Table) -> str:
    if table.is_text:
        return "text"
    cells = [cell for row in table.rows for cell in row.cells]
    if any(cell.shade is not None for cell in cells):
        return "grid"
    return "stacked" if table.is_stacked else ""


def _breakable(text: str) -> Markup:
    """A long name can be broken after a separator or before a capital, never in a number."""
    name = escape(text)
    if len(text) <= _LONGEST_WORD:
        return name
    return Markup(re.sub(r"[.:_/](?!\d)|[-a-z](?=[A-Z])", r"\g<0><wbr>", str(name)))
