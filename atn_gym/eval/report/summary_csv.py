"""The summary of every run as one table for other programs."""

from __future__ import annotations

from typing import Any

from atn_gym.eval.metrics.formatting import printable
from atn_gym.eval.report.data_frames import LoadedResults
from atn_gym.eval.report.index import ResultIndex

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def summary_csv(index: ResultIndex) -> str:
    """A row for every run: its labels, its summary and its config, without control characters."""
    frame = LoadedResults(index).runs
    for name in frame.columns:
        if frame[name].dtype.kind not in "biuf":
            # Texts are few and different, and each is made harmless once.
            texts = frame[name].astype(object)
            frame[name] = texts.map({text: _harmless(text) for text in set(texts)})
    text: str = frame.rename(columns=_harmless).to_csv(index=False, lineterminator="\n")
    return text


def _harmless(value: Any) -> Any:
    """Puts an apostrophe before text that a spreadsheet would run; all else stays."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
