"""The table of the leaderboard, as a page and as the top of it in the README."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atn_gym.errors import InvalidArgument
from atn_gym.eval.metrics.adaptation_score import BLIND
from atn_gym.eval.metrics.formatting import NONE, number
from atn_gym.files import Unreadable, read_mapping
from atn_gym.leaderboard.protocol import BASELINE

BEGIN, END = "<!-- leaderboard: begin -->", "<!-- leaderboard: end -->"
_TOP = 5
_KEPT = (BLIND, "fixed")
"""Stand in the README at any place."""
_COLUMNS = (
    "method",
    "adaptation score",
    "anytime performance",
    f"against {BLIND}",
    f"against {BASELINE}",
    "collapsed",
    "cost",
    "making",
    "seeds",
)


def read_entries(folder: Path) -> list[dict[str, Any]]:
    """Stored entries, the best first.

    Raises:
        InvalidArgument: If there are none, or a file is damaged.
    """
    try:
        entries = [read_mapping(file) for file in sorted(folder.glob("*.json"))]
    except Unreadable as error:
        raise InvalidArgument(f"an entry of the leaderboard must be readable: {error}") from error
    if not entries:
        raise InvalidArgument(
            f"{folder} must hold entries, got none: score a submission with --save {folder}"
        )
    return sorted(entries, key=lambda entry: -entry["anytime_performance"][0])


def save_entry(entry: dict[str, Any], folder: Path) -> Path:
    """Writes an entry, in place of an earlier one of the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{entry['name']}.json"
    file.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")
    return file


def whole(entries: Sequence[dict[str, Any]]) -> str:
    """What stands in the page between the marks: every entry, and how it works."""
    rows = [
        (
            f"`{entry['name']}`",
            _estimate(entry["adaptation_score"], 2),
            _estimate(entry["anytime_performance"]),
            _against(entry, BLIND),
            _against(entry, BASELINE),
            _collapsed(entry),
            number(entry["charged_runs"], 2),
            "unknown" if entry["making_runs"] is None else number(entry["making_runs"], 0),
            str(entry["seeds"]),
        )
        for entry in entries
    ]
    described = [f"| `{e['name']}` | {e['authors']} | {e['about']} |" for e in entries]
    salts = sorted({f"`{entry['salt_digest']}`" for entry in entries})
    return "\n".join(
        [
            _table(_COLUMNS, rows),
            "",
            "| method | made by | how it works |",
            "| --- | --- | --- |",
            *described,
            "",
            f"Digest of the salt: {', '.join(salts)}.",
        ]
    )


def top(entries: Sequence[dict[str, Any]]) -> str:
    """What stands in the README between the marks: the best, and what is kept in any case."""
    shown = [e for i, e in enumerate(entries) if i < _TOP or e["name"] in _KEPT]
    rows = [
        (
            f"{entries.index(e) + 1}. `{e['name']}`",
            _estimate(e["adaptation_score"], 2),
            _estimate(e["anytime_performance"]),
            _collapsed(e),
        )
        for e in shown
    ]
    return _table(("method", "adaptation score", "anytime performance", "collapsed"), rows)


def between_marks(text: str, table: str) -> str:
    """A page with a table between its marks.

    Raises:
        InvalidArgument: If a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InvalidArgument(f"a page with a leaderboard must hold {BEGIN} and {END}: add them")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = ["---", *("--:" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, marks, *rows))


def _estimate(estimate: Sequence[float], digits: int = 3) -> str:
    value, low, high = (number(v, digits) for v in estimate)
    return f"{value} [{low}, {high}]"


def _against(entry: dict[str, Any], other: str) -> str:
    if other not in entry["against"]:
        return NONE
    found = entry["against"][other]
    return f"{found['verdict']}: {_estimate(found['difference'])}"


def _collapsed(entry: dict[str, Any]) -> str:
    share, low, high = (number(100 * v, 0) for v in entry["collapse_rate"])
    return f"{share} % [{low}, {high}]"
