"""JSON files that hold a checksum of all that they say, so that damage is never read as a value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atn_gym.files import Unreadable, parse_mapping, read_text

CHECKSUM = "checksum"
"""Field of a sealed file, its last."""


def seal(values: Mapping[str, Any], *belonging: str) -> str:
    """Writes values as JSON, with a checksum: SHA-256 of that JSON and of what belongs to it.

    Args:
        values: What the file says.
        belonging: Texts that it must only ever stand with, such as those of the other files of
            a run.
    """
    digest = hashlib.sha256()
    for text in (*belonging, _json(values)):
        # Each with its length: no two lists of texts are hashed alike.
        digest.update(f"{len(text)}\n{text}".encode())
    return _json({**values, CHECKSUM: digest.hexdigest()})


def read_sealed(path: Path, *belonging: str) -> dict[str, Any]:
    """Reads what `seal` wrote.

    Args:
        path: The file.
        belonging: The texts that it was sealed with.

    Raises:
        Unreadable: If it cannot be read, or differs in a single character.
    """
    text = read_text(path)
    values = parse_mapping(path, text)
    values.pop(CHECKSUM, None)
    if seal(values, *belonging) != text:
        other = " or another file of its run" if belonging else ""
        raise Unreadable(f"{path.name}{other} was changed: its checksum does not match")
    return values


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2) + "\n"
