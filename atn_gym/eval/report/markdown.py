"""A report as Markdown: its tables and text. Figures are in the page."""

from __future__ import annotations

from atn_gym.eval.report.document import (
    Answers,
    Cell,
    Document,
    Figure,
    Listing,
    Paragraph,
    Row,
    Table,
)

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#$~"})


def to_markdown(document: Document) -> str:
    """Writes a report as Markdown with tables in the style of GitHub."""
    parts = [f"# {_escape(document.title)}", "Figures are in report.html."]
    for section in document.sections:
        found = Document("", (section,)).parts()
        shown = [part for part in found if not isinstance(part, Figure)]
        if shown:
            parts.append(f"## {_escape(section.title)}")
            parts += [write_part(part) for part in shown]
    return "\n\n".join(parts) + "\n"


def write_part(part: Table | Paragraph | Listing | Answers) -> str:
    """Writes a table, a paragraph, a list or answers."""
    if isinstance(part, Answers):
        answers = [f"- **{question}** {_escape(said)}" for question, said in part.items]
        return "\n".join([_escape(part.title), "", *answers])
    if isinstance(part, Paragraph):
        return f"**Note:** {_escape(part.text)}" if part.is_warning else _escape(part.text)
    if isinstance(part, Listing):
        items = "\n".join(f"- {_escape(item)}" for item in part.items)
        return f"### {_escape(part.title)}\n\n{items}"
    return _table(part)


def _table(table: Table) -> str:
    marks = ["---" if table.is_text or i == 0 else "--:" for i in range(len(table.headings))]
    lines = [[_escape(heading) for heading in table.headings], marks]
    lines += [_cells(row) for row in table.rows]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    note = f"\n\n{_escape(table.note)}" if table.note else ""
    return f"### {_escape(table.title)}\n\n{rows}{note}"


def _cells(row: Row) -> list[str]:
    first, *others = [_cell(cell) for cell in row.cells]
    return [f"*{first}*" if row.is_reference else first, *others]


def _cell(cell: Cell) -> str:
    return _escape(" ".join(filter(None, [cell.text, cell.detail])))


def _escape(text: str) -> str:
    """Text on one line, with everything that Markdown would read as markup escaped."""
    return " ".join(text.split()).translate(_SPECIAL)
