"""Figures as SVG and PDF and tables as LaTeX, for a paper."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from atn_gym.eval.metrics.formatting import printable
from atn_gym.eval.report.document import Cell, Document, Figure, Table
from atn_gym.eval.report.render import save
from atn_gym.files import write_atomically

_NEW_LINE = r"\\"
_HEADING = 16
"""Characters of a line of a heading."""
_MOST_COLUMNS = 5
"""Of a table in the size of the text around it."""
_LONGEST_TEXT = 40
"""Characters of a cell from which a column gets no wider."""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{EN DASH}": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def write_paper(document: Document, folder: Path) -> list[Path]:
    """Writes every figure as SVG and PDF, and every table as a LaTeX tabular.

    Args:
        document: The report.
        folder: Made if absent.

    Returns:
        The files, named by the titles of their figures and tables.

    Raises:
        OSError: If one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    taken: Counter[str] = Counter()
    for part in document.parts():
        if not isinstance(part, (Figure, Table)):
            continue
        name = _file_name(part.title)
        taken[name] += 1
        stem = name if taken[name] == 1 else f"{name}-{taken[name]}"
        kinds = (".svg", ".pdf") if isinstance(part, Figure) else (".tex",)
        files += [folder / f"{stem}{kind}" for kind in kinds]
        if isinstance(part, Figure):
            for path in files[-2:]:
                save(part.drawing, path)
        else:
            write_atomically(files[-1], printable(to_latex(part)))
    return files


def to_latex(table: Table) -> str:
    """A table as a tabular with the lines of booktabs; all text is escaped."""
    environment = Environment(
        loader=PackageLoader("atn_gym.eval.report"),
        undefined=StrictUndefined,
        block_start_string="((*",
        block_end_string="*))",
        variable_start_string="((",
        variable_end_string="))",
        comment_start_string="((=",
        comment_end_string="=))",
        keep_trailing_newline=True,
        trim_blocks=False,
    )
    environment.filters |= {
        "cell": lambda cell, italic: _cell(cell, table, italic=italic),
        "wrapped": lambda heading: _escape(heading) if table.is_text else _stack(_lines(heading)),
        "comment": lambda text: " ".join(text.split()),
    }
    return environment.get_template("table.tex").render(
        table=table,
        columns=_text_columns(table) if table.is_text else "l" + "r" * (len(table.headings) - 1),
        packages="array,booktabs" if table.is_text else "booktabs",
        small=len(table.headings) > _MOST_COLUMNS,
    )


def _text_columns(table: Table) -> str:
    """Columns whose lines wrap, with widths by the longest text of each."""
    columns = zip(table.headings, *([c.text for c in row.cells] for row in table.rows), strict=True)
    longest = [min(max(6, *map(len, column)), _LONGEST_TEXT) for column in columns]
    return "".join(
        f">{{\\raggedright\\arraybackslash}}p{{{0.8 * length / sum(longest):.3f}\\linewidth}}"
        for length in longest
    )


def _cell(cell: Cell, table: Table, *, italic: bool) -> str:
    text = _escape(cell.text)
    if table.is_text:
        # TeX breaks no name by itself.
        text = re.sub(r"\\_|[/,=-](?=\w)", r"\g<0>\\allowbreak{}", text)
    if italic:
        text = f"\\textit{{{text}}}"
    if not cell.detail:
        return text
    detail = f"{{\\scriptsize {_escape(cell.detail)}}}"
    if table.is_stacked:
        return rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{text}{_NEW_LINE}{detail}\end{{tabular}}"
    return f"{text} {detail}"


def _lines(heading: str) -> list[str]:
    return [_escape(line) for line in textwrap.wrap(heading, _HEADING, break_long_words=False)]


def _stack(lines: list[str]) -> str:
    """Lines above each other, the last one on the line of the headings beside it."""
    return lines[0] if len(lines) == 1 else rf"\shortstack[r]{{{_NEW_LINE.join(lines)}}}"


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def _file_name(title: str) -> str:
    """The title up to its counts, of letters that every file system takes."""
    words = re.sub(r"[^a-z0-9]+", "-", title.partition(":")[0].lower()).strip("-")
    return words[:80] or "untitled"
