"""How numbers are written in tables and reports."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

_MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
"""What stands where there is no value."""


def number(value: float, digits: int = 3) -> str:
    """A number with a fixed count of decimals; a dash for NaN."""
    if not math.isfinite(value):
        return NONE
    text = f"{value:,.{digits}f}"
    # A zero with a sign would be read as a small number below zero.
    text = text.lstrip("-") if float(text.replace(",", "")) == 0 else text
    return text.replace("-", _MINUS)


def seed_count(seeds: int) -> str:
    """Says how many seeds there are, and what a single one is worth."""
    return "a SINGLE seed: no evidence" if seeds == 1 else f"{seeds} seeds"


def count(number_of: int, noun: str) -> str:
    """A number with its noun, such as "1 env" or "2 envs"."""
    return f"{number_of} {noun}" if number_of == 1 else f"{number_of} {noun}s"


def join(words: Sequence[str]) -> str:
    """Lists words: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def printable(text: str) -> str:
    """Text without what a terminal or a browser could obey, or no file can hold.

    Control characters, marks of writing direction and lone surrogates become U+FFFD; line
    breaks and spaces stay.
    """
    if text.isascii() and text.replace("\n", " ").isprintable():
        return text
    unprintable = {c for c in set(text) if not (c.isprintable() or c == "\n")}
    marks = {ord(c): "\N{REPLACEMENT CHARACTER}" for c in unprintable if not _is_space(c)}
    return text.translate(marks)


def _is_space(character: str) -> bool:
    return unicodedata.category(character) == "Zs"
