"""A report as data: sections of tables, figures and text, before it has a format."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, and a detail, such as an interval, in smaller print."""

    text: str
    detail: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table; a reference is set apart from what it is compared with."""

    cells: tuple[Cell, ...]
    is_reference: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        title: What it shows, and how many runs stand behind it.
        headings: One a column. The first column is text; the others are numbers, unless
            `is_text`.
        rows: Each with a cell a column.
        note: How to read it.
        is_text: Whether all columns are text.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""
    is_text: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure: an SVG element, with what it shows in words."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Paragraph:
    """Text; a warning is set apart."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class Listing:
    """A list of sentences, perhaps a long one."""

    title: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """Sentences that answer questions, below what they are about."""

    title: str
    items: tuple[tuple[str, str], ...]


Part = Table | Figure | Paragraph | Listing | Answers


@dataclass
class Section:
    """A heading with what stands below it."""

    title: str
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    sections: tuple[Section, ...]


def row(first: str, *cells: Cell | str, is_reference: bool = False) -> Row:
    """A row from a label and cells, plain text among them."""
    made = tuple(Cell(cell) if isinstance(cell, str) else cell for cell in (first, *cells))
    return Row(made, is_reference)
