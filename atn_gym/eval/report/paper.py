"""Figures as SVG and PDF and tables as LaTeX, for a paper."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from atn_gym.eval.metrics.formatting import printable
from atn_gym.eval.report.document import Document, Figure, Table
from atn_gym.eval.report.render import save
from atn_gym.files import write_atomically

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
    environment.filters |= {"tex": _escape, "comment": lambda text: " ".join(text.split())}
    others = len(table.headings) - 1
    width = f"p{{{0.8 / max(others, 1):.2f}\\linewidth}}"
    columns = f"l{(width if table.is_text else 'r') * others}"
    return environment.get_template("table.tex").render(table=table, columns=columns)


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def _file_name(title: str) -> str:
    """The title up to its counts, of letters that every file system takes."""
    words = re.sub(r"[^a-z0-9]+", "-", title.partition(":")[0].lower()).strip("-")
    return words[:80] or "untitled"
