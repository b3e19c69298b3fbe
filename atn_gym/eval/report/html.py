"""A report as one HTML page that needs nothing else: no script, no other file."""

from __future__ import annotations

import re
from html import escape

from atn_gym.eval.report.document import (
    Answers,
    Cell,
    Document,
    Figure,
    Listing,
    Part,
    Row,
    Section,
    Table,
)

_LONGEST_WORD = 26
_MOST_WIDE = 2
_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1b1b; --muted: #6b6b6b; --line: #dcdcdc; --warn: #fff3cd;
  --contender: #0072b2; --baseline: #808080; --reference: #aa4499; --shock: #d55e00;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --ink: #e6e6e6; --muted: #a0a0a0; --line: #3a3d42; --warn: #4a3b10;
    --contender: #56b4e9; --baseline: #8f8f8f; --reference: #dd88cc; --shock: #f08a3c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif;
}
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0.5rem; border-bottom: 1px solid var(--line); }
nav { color: var(--muted); }
nav a { color: inherit; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.8rem; line-height: 1.3; width: 100%; }
caption, figcaption { text-align: left; font-weight: 600; padding: 1.2rem 0 0.4rem; }
caption { max-width: calc(100vw - 3rem); }
th, td { padding: 0.22rem 0.45rem; vertical-align: top; text-align: right; }
thead th { vertical-align: bottom; font-weight: 600; border-bottom: 1px solid var(--muted); }
th:first-child, td:first-child, .text th, .text td { text-align: left; }
tbody th { font-weight: 400; }
td, .word { white-space: nowrap; }
tbody th, .text td { overflow-wrap: anywhere; min-width: 3em; }
.text { width: auto; }
.text tbody th { min-width: 12em; }
.text td { white-space: normal; }
.text td.word { white-space: nowrap; }
tbody tr { border-bottom: 1px solid var(--line); }
td { font-variant-numeric: tabular-nums; }
.detail { color: var(--muted); font-size: 0.72rem; }
.stacked .detail { display: block; }
.apart th, .apart td { font-style: italic; }
.note { color: var(--muted); font-size: 0.8rem; margin: 0.4rem 0 0; max-width: 60rem; }
.warning { background: var(--warn); padding: 0.5rem 0.8rem; border-left: 4px solid var(--shock); }
.answers dt { font-weight: 600; }
.answers dd { margin: 0 0 0.6rem; }
.list { font-size: 0.85rem; overflow-wrap: anywhere; }
figure { margin: 0; }
svg { display: block; width: 100%; min-width: 40rem; height: auto; }
text {
  font-size: 9.5px; fill: var(--ink); stroke: var(--paper); stroke-width: 3px; paint-order: stroke;
}
text.tick { font-size: 8px; fill: var(--muted); }
text.middle { text-anchor: middle; }
text.end { text-anchor: end; }
path { fill: none; stroke-width: 1.4; }
.axis { stroke: var(--muted); stroke-width: 0.7; }
.grid { stroke: var(--line); stroke-width: 0.7; }
.leader { stroke: var(--muted); stroke-width: 0.6; }
.shock { stroke: var(--shock); stroke-width: 1; stroke-dasharray: 3 2; }
.front { stroke: var(--shock); stroke-width: 1.4; }
.baseline { stroke: var(--baseline); }
.contender { stroke: var(--contender); }
.reference { stroke: var(--reference); }
.interval { stroke-width: 2; }
path.band { stroke: none; fill-opacity: 0.22; }
.band.baseline { fill: var(--baseline); }
.band.contender, circle.contender { fill: var(--contender); }
.band.reference, circle.reference { fill: var(--reference); }
circle.best { stroke: var(--shock); stroke-width: 2; }
@media print {
  @page { size: A4; margin: 14mm; }
  body { padding: 0; max-width: none; font-size: 9pt; }
  nav { display: none; }
  table { font-size: 6.6pt; }
  .detail { font-size: 5.8pt; }
  .note, .answers dt { font-weight: 600; }
.answers dd { margin: 0 0 0.6rem; }
.list { font-size: 7.5pt; }
  th, td { padding: 0.1rem 0.2rem; }
  .scroll { overflow: visible; }
  svg { min-width: 0; }
  h2, caption, figcaption { break-after: avoid; }
  .part, .warning { break-inside: avoid; }
}
"""

_FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<nav>{links}</nav>
{sections}
</body>
</html>
"""


def to_html(document: Document) -> str:
    """Writes a report as a page; all text is escaped."""
    titles = [escape(section.title) for section in document.sections]
    return _FRAME.format(
        title=escape(document.title),
        style=_STYLE,
        links=" · ".join(f'<a href="#part-{i}">{title}</a>' for i, title in enumerate(titles)),
        sections="\n".join(_section(i, part) for i, part in enumerate(document.sections)),
    )


def _section(index: int, section: Section) -> str:
    parts = "\n".join(_part(part) for part in section.parts)
    return f'<h2 id="part-{index}">{escape(section.title)}</h2>\n{parts}'


def _part(part: Part) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Figure):
        caption = f"<figcaption>{escape(part.title)}</figcaption>"
        drawing = f'<div class="scroll">{part.svg}</div>'
        return f'<figure class="part">{caption}\n{drawing}{_note(part.note)}</figure>'
    if isinstance(part, Answers):
        items = "".join(f"<dt>{escape(q)}</dt><dd>{escape(said)}</dd>" for q, said in part.items)
        return f'<p>{escape(part.title)}</p>\n<dl class="answers">{items}</dl>'
    if isinstance(part, Listing):
        items = "".join(f"<li>{escape(item)}</li>" for item in part.items)
        return f'<p>{escape(part.title)}:</p>\n<ul class="list">{items}</ul>'
    style = ' class="warning"' if part.is_warning else ""
    return f"<p{style}>{escape(part.text)}</p>"


def _table(table: Table) -> str:
    headings = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in table.headings)
    return (
        f'<div class="part"><div class="scroll"><table{_table_style(table)}>'
        f"<caption>{escape(table.title)}</caption>\n"
        f"<thead><tr>{headings}</tr></thead>\n"
        f"<tbody>{''.join(_row(row) for row in table.rows)}</tbody></table></div>"
        f"{_note(table.note)}</div>"
    )


def _table_style(table: Table) -> str:
    """Where many columns have a detail, it stands below the value: a page is not that wide."""
    if table.is_text:
        return ' class="text"'
    columns = zip(*(row.cells for row in table.rows), strict=True)
    detailed = [any(cell.detail for cell in column) for column in columns]
    return ' class="stacked"' if sum(detailed) > _MOST_WIDE else ""


def _row(row: Row) -> str:
    first, *others = row.cells
    cells = "".join(f"<td{_class_of_word(cell)}>{_cell(cell)}</td>" for cell in others)
    style = ' class="apart"' if row.is_reference else ""
    return f'<tr{style}><th scope="row"{_class_of_word(first)}>{_name(first)}</th>{cells}</tr>\n'


def _name(cell: Cell) -> str:
    """A name that, if it is a long one, can be broken after a separator, never in a number."""
    name = _cell(cell)
    return name if len(cell.text) <= _LONGEST_WORD else re.sub(r"[.:](?!\d)", r"\g<0><wbr>", name)


def _class_of_word(cell: Cell) -> str:
    """Keeps a name in one piece, unless it is a long one."""
    return ' class="word"' if len(cell.text) <= _LONGEST_WORD else ""


def _cell(cell: Cell) -> str:
    detail = f' <span class="detail">{escape(cell.detail)}</span>' if cell.detail else ""
    return f"{escape(cell.text)}{detail}"


def _note(note: str) -> str:
    return f'<p class="note">{escape(note)}</p>' if note else ""
