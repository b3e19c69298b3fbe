"""What a question comes to, as a section of the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stored_results import Results

from atn_gym.eval.metrics.formatting import join, seed_count
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.columns import estimate_cell
from atn_gym.eval.report.document import Table
from atn_gym.eval.report.markdown import write_part

SCALES = {
    "DigitsCnn": "known scale",
    "DigitsCnnUnknownScale": "hidden scale",
    "DigitsCnnPoorInit": "poor beginning",
}
"""What the tasks are called, in the order of figures."""


@dataclass(frozen=True)
class Answer:
    """A section of the page.

    Args:
        question: In a sentence.
        learned: What was learned, a paragraph each.
        caption: What the figure shows.
        tables: Numbers behind the figure.
        how: How it was measured.
        commands: What makes the results.
    """

    question: str
    learned: tuple[str, ...]
    caption: str
    tables: tuple[Table, ...]
    how: str
    commands: tuple[str, ...]

    def section(self, name: str, title: str, folder: Path) -> str:
        """The section as Markdown.

        Args:
            name: The question on the command line, and the name of its figure.
            title: Its heading.
            folder: Its results.
        """
        written = f"python docs/make_questions_page.py {name} {folder.as_posix()}"
        parts = [
            f"## {title}",
            f"*{self.question}*",
            *self.learned,
            f"![{title}](questions/{name}.png)",
            self.caption,
            *(write_part(table) for table in self.tables),
            self.how,
            "```console\n" + "\n".join([*self.commands, written]) + "\n```",
        ]
        return "\n\n".join(parts) + "\n"


def by_scale(results: Results) -> dict[str, BlockStatistics]:
    """Statistics over the envs of each task, by whether the scale is known."""
    tasks = results.tasks()
    return {
        scale: results.of_envs(list(tasks[task].values()))
        for task, scale in SCALES.items()
        if task in tasks
    }


def said(estimate, place, digits: int = 2) -> str:
    """An entry of an estimate with its interval, in a sentence."""
    found = estimate_cell(estimate, place, digits)
    return f"{found.text} {found.detail}"


def names(labels) -> str:
    """Labels in a sentence."""
    return join([f"`{label}`" for label in labels]) or "none"


def seeds_of(results: Results) -> str:
    """How many seeds stand behind the numbers."""
    return seed_count(len(results.all_envs.block.seeds))
