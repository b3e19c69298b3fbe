"""Values that a file may hold: text, numbers, truth, null, lists, and mappings by name."""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_VALUES = 100_000
"""Values in one file; an alias counts as often as it is used."""
DEEPEST = 50
"""Levels of lists and mappings within each other."""
LARGEST_INTEGER = 2**64
LONGEST_TEXT = 100_000

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def check_plain(values: object) -> None:
    """Checks that values are plain and few, before anything walks over them or prints them.

    Args:
        values: What was read from a file. It may hold itself, or one list many times.

    Raises:
        ValueError: If not.
    """
    left = MOST_VALUES
    pending: list[tuple[Any, int]] = [(values, 0)]
    while pending:
        value, depth = pending.pop()
        left -= 1
        if left < 0:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values")
        if depth > DEEPEST:
            raise ValueError(f"lists and mappings are more than {DEEPEST} levels deep")
        if isinstance(value, dict):
            for name in value:
                if not isinstance(name, str):
                    raise ValueError(f"the names of a mapping must be text, got {name!r}"[:200])
                _check_text(name)
            pending += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list):
            pending += [(item, depth + 1) for item in value]
        elif isinstance(value, str):
            _check_text(value)
        elif isinstance(value, int) and abs(value) >= LARGEST_INTEGER:
            raise ValueError("an integer must be below 2**64 in magnitude")
        elif not isinstance(value, (int, float, type(None))):
            raise ValueError(f"a value must not be of type {type(value).__name__}")


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"text must have at most {LONGEST_TEXT:,} characters, got {len(text):,}")
    found = _UNPRINTABLE.search(text)
    if found is not None:
        raise ValueError(f"text must not hold the unprintable character {found.group()!a}")


def check_depth(text: str) -> None:
    """Checks that YAML is not too deep to be loaded: the parser in C would crash on it.

    Raises:
        ValueError: If it is.
        yaml.YAMLError: If it is not YAML.
    """
    depth = 0
    for event in yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"lists and mappings are more than {DEEPEST} levels deep")
