"""Writes the section on a question of docs/questions.md and its figure, from a stored sweep.

python docs/make_questions_page.py compute results/benchmark_digits
python docs/make_questions_page.py compute results/benchmark_digits --check
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from page_files import DOCS, write_or_check
from questions import compute, ladder, optimizer, robustness, search, stability

from atn_gym.eval.metrics.formatting import join, printable

QUESTIONS = {
    "stability": stability,
    "compute": compute,
    "robustness": robustness,
    "ladder": ladder,
    "search": search,
    "optimizer": optimizer,
}
"""A module for each question, in the order of the page."""

_INTRODUCTION = """# Six questions

The benchmark asks six questions about online hyperparameter control. An experiment on Digits
answers each, most with few seeds: the intervals say what they are worth. Every section ends with
the commands that made it. [References](references.md) explains `fixed`, `blind` and yoked controls,
[Metrics](metrics.md) the metrics.
"""


def make_page(name: str, folder: Path, page: str = "") -> str:
    """The text of the page with a section made anew.

    Args:
        name: A key of `QUESTIONS`.
        folder: Results of its config.
        page: The page as it is, whose other sections stay.
    """
    question = QUESTIONS[name]
    sections = {
        title: f"## {title}\n{text}"
        for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    }
    sections[question.TITLE] = question.answer(folder).section(name, question.TITLE, folder)
    titles = [each.TITLE for each in QUESTIONS.values() if each.TITLE in sections]
    missing = [name for name, each in QUESTIONS.items() if each.TITLE not in sections]
    lack = [f"Not answered yet, for want of runs: {join(missing)}."] if missing else []
    parts = [_INTRODUCTION, *lack, *(sections[title] for title in titles)]
    return printable("\n".join(f"{part.strip()}\n" for part in parts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes a section and its figure, or checks the section that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", choices=QUESTIONS, help="which question")
    parser.add_argument("results", type=Path, help="results folder of its config")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder to write to")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    chosen = parser.parse_args(arguments)
    page = chosen.out / "questions.md"
    before = page.read_text(encoding="utf-8") if page.is_file() else ""
    text = make_page(chosen.question, chosen.results, before)
    if not chosen.check:
        (chosen.out / "questions").mkdir(exist_ok=True)
        figure = QUESTIONS[chosen.question].draw(chosen.results)
        figure.savefig(
            chosen.out / "questions" / f"{chosen.question}.png",
            dpi=110,
            metadata={"Software": None},
        )
    return write_or_check(page, text, chosen.results, chosen.check)


if __name__ == "__main__":
    sys.exit(main())
