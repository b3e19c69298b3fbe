"""A report as data: sections of tables, figures and text, before it has a format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

_MOST_WIDE = 2
"""Columns with a detail beside the value, at most."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        text: What it says.
        detail: Such as an interval, in smaller print.
        shade: How dark it is, in [0, 1]; None for no shading.
    """

    text: str
    detail: str = ""
    shade: float | None = None


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
        meanings: What the columns mean, where that needs to be said; empty for none.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""
    is_text: bool = False
    meanings: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Without meanings, there is an empty one for each column."""
        object.__setattr__(self, "meanings", self.meanings or ("",) * len(self.headings))

    @property
    def is_stacked(self) -> bool:
        """Whether details stand below their values: no page is wide enough for many of them."""
        columns = zip(*(row.cells for row in self.rows), strict=True)
        return sum(any(cell.detail for cell in column) for column in columns) > _MOST_WIDE


@dataclass(frozen=True)
class Figure:
    """A figure, with what it shows in words."""

    title: str
    drawing: Drawing
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


@dataclass(frozen=True)
class Fold:
    """Parts that are opened by their title."""

    title: str
    parts: tuple[Leaf, ...]


Leaf: TypeAlias = Table | Figure | Paragraph | Listing | Answers
Part: TypeAlias = Leaf | Fold


@dataclass
class Section:
    """A heading with what stands below it."""

    title: str
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Document:
    """A whole report.

    Args:
        title: Of the report.
        sections: What it holds.
        controllers: Labels of all controllers, best first: a reader may hide some.
    """

    title: str
    sections: tuple[Section, ...]
    controllers: tuple[str, ...] = ()

    def parts(self) -> Iterator[Leaf]:
        """All parts that hold no others, in their order."""
        for section in self.sections:
            for part in section.parts:
                yield from part.parts if isinstance(part, Fold) else (part,)


def row(first: str, *cells: Cell | str, is_reference: bool = False) -> Row:
    """A row from a label and cells, plain text among them."""
    made = tuple(Cell(cell) if isinstance(cell, str) else cell for cell in (first, *cells))
    return Row(made, is_reference)
