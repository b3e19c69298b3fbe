"""The summary of every run as one table for other programs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from atn_gym.eval.report.index import ResultIndex

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def summary_csv(index: ResultIndex) -> str:
    """A row for every run: its labels, its summary and its config."""
    rows: list[dict[str, Any]] = []
    for (controller, env, seed), run in sorted(index.runs.items()):
        labels = {"env": env, "controller": controller, "seed": seed, "run": run.key}
        config = {name: run.config[name] for name in ("env", "controller")}
        row = labels | _flat("", run.summary) | _flat("config.", config)
        rows.append({_harmless(name): _harmless(value) for name, value in row.items()})
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    """Nested values under names with dots, and lists as JSON."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(f"{prefix}{name}.", value)
        else:
            flat[f"{prefix}{name}"] = json.dumps(value) if isinstance(value, list) else value
    return flat


def _harmless(value: Any) -> Any:
    """Puts an apostrophe before text that a spreadsheet would run; numbers stay numbers."""
    is_formula = isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA)
    return f"'{value}" if is_formula else value
