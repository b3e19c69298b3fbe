"""The errors that the package raises on purpose.

Each message says what is required, what was received and what to do about it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any

_MOST_LISTED = 20
_NEAR = 0.65
"""Likeness from which a name is suggested."""
_LONGEST_SHOWN = 200
"""Characters of a value that an error shows."""

FOREIGN_ERRORS = (Exception, SystemExit)
"""What code of the user's may raise: `sys.exit()` too must not end the runs of others."""


class AtnGymError(Exception):
    """Base of every error that the package raises on purpose."""


class InvalidArgument(AtnGymError, ValueError):
    """A value that a caller passed in breaks a stated requirement."""


class UnexpectedArgument(InvalidArgument, TypeError):
    """A keyword that a call does not take: also the `TypeError` of Python's own calls."""


class DataUnavailable(AtnGymError, RuntimeError):
    """A data set is neither on disk nor can it be fetched."""


class DependencyUnavailable(AtnGymError, ImportError):
    """A library that the requested feature needs does not import."""


class DeviceUnavailable(AtnGymError, RuntimeError):
    """The requested compute device does not exist on this machine."""


class EpisodeStateError(AtnGymError, RuntimeError):
    """A call came at a moment of the episode at which it is not allowed."""


def one_line(error: BaseException) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split())


def shown(value: object) -> str:
    """A value as an error shows it: its `repr`, cut if it is long."""
    try:
        text = repr(value)
    except ValueError:
        # An integer of more digits than Python converts.
        text = f"a value of type {type(value).__name__}"
    if len(text) <= _LONGEST_SHOWN:
        return text
    return f"{text[:_LONGEST_SHOWN]}… ({len(text):,} characters)"


def did_you_mean(name: object, choices: Iterable[str]) -> str:
    """Points at the closest valid choice, and lists all of them or, of many, the closest.

    Args:
        name: What the caller wrote.
        choices: The valid names.

    Returns:
        A phrase such as ``"did you mean 'label_noise'? Valid: contrast, label_noise"``, or of many
        ``"did you mean 'rotation'? 40 are valid"``.
    """
    choices = list(choices)
    near = _near(str(name)[:_LONGEST_SHOWN], choices)
    hint = f"did you mean {near[0]!r}? " if near else ""
    if len(choices) <= _MOST_LISTED:
        return f"{hint}Valid: {', '.join(choices)}"
    listed = near[1:] if near else choices[:5]
    examples = f", such as {', '.join(listed)}" if listed else ""
    return f"{hint}{len(choices)} are valid{examples}"


def _near(name: str, choices: Iterable[str]) -> list[str]:
    """Choices that are like a name, or begin like it, the most alike first."""
    likeness = {choice: _likeness(name, choice) for choice in choices}
    ranked = sorted(likeness, key=lambda choice: -likeness[choice])
    return [choice for choice in ranked if likeness[choice] >= _NEAR][:5]


def _likeness(name: str, choice: str) -> float:
    whole = difflib.SequenceMatcher(None, name, choice).ratio()
    beginning = difflib.SequenceMatcher(None, name, choice[: len(name)]).ratio()
    return max(whole, 0.9 * beginning) if name else 0.0


def unknown_name(what: str, name: object, choices: Iterable[str]) -> InvalidArgument:
    """Builds the error for a name that is not among the known ones.

    Args:
        what: The kind of thing that was named, such as ``"regime kind"``.
        name: What the caller wrote.
        choices: The valid names.
    """
    return InvalidArgument(f"unknown {what} {shown(name)}; {did_you_mean(name, choices)}")


def check_positive_integer(name: str, value: object, most: int | None = None) -> None:
    """Checks a count or a length.

    Raises:
        InvalidArgument: If it is not an integer >= 1, or is above the most that makes sense.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidArgument(f"{name} must be an integer >= 1, got {shown(value)}")
    if most is not None and value > most:
        raise InvalidArgument(f"{name} must be an integer from 1 to {most:,}, got {shown(value)}")


def check_count(name: str, value: object) -> None:
    """Checks a number of things of which there may be none.

    Raises:
        InvalidArgument: If it is not an integer >= 0.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidArgument(f"{name} must be an integer >= 0, got {shown(value)}")


def check_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> None:
    """Checks a quantity.

    Raises:
        InvalidArgument: If it is not a finite number in [low, high].
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        if number and math.isfinite(value) and low <= value <= high:
            return
    except OverflowError:
        # An integer beyond every float is above every bound, too.
        pass
    if high < math.inf:
        requirement = f"a number in [{low:g}, {high:g}]"
    else:
        requirement = "a number" if low == -math.inf else f"a number >= {low:g}"
    raise InvalidArgument(f"{name} must be {requirement}, got {shown(value)}")
