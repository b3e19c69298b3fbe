"""Files: written whole or not at all, and read with one sentence for what is wrong with them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import yaml

from atn_gym.errors import AtnGymError, one_line
from atn_gym.plain_values import check_depth, check_plain

_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader; the one written in C, where it is there, is ten times faster."""


class StoreError(AtnGymError, OSError):
    """Results cannot be written or read."""


class Unreadable(Exception):
    """Why a file or a folder cannot be read: its name, and what is wrong with it."""


def read_text(path: Path) -> str:
    """Reads a file as it is.

    Raises:
        Unreadable: If it cannot be read.
    """
    try:
        # A pipe in place of a file would be waited for without end.
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise Unreadable(f"{path.name} is not a regular file")
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreadable(f"{path.name} cannot be read: {reason}") from error


def read_mapping(path: Path) -> dict[str, Any]:
    """Reads a YAML or JSON file that holds a mapping of plain values.

    Raises:
        Unreadable: If it cannot be read, or holds something else.
    """
    return parse_mapping(path, read_text(path))


def parse_mapping(path: Path, text: str) -> dict[str, Any]:
    """Parses the text of a YAML or JSON file that holds a mapping of plain values.

    Raises:
        Unreadable: If it holds something else.
    """
    try:
        if path.suffix == ".yaml":
            check_depth(text)
            values = yaml.load(text, _YAML_LOADER)
        else:
            values = json.loads(text)
        check_plain(values)
    except (ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise Unreadable(f"{path.name} cannot be read: {one_line(error)}") from error
    if not isinstance(values, dict):
        raise Unreadable(f"{path.name} holds no mapping")
    return values


def write_atomically(path: Path, content: str | bytes, temporary: Path | None = None) -> None:
    """Writes a whole file or none, also if the process is killed.

    Args:
        path: The file.
        content: What it is to hold; text in UTF-8.
        temporary: Where it is written first, on the same disk; beside it if None.
    """
    temporary = temporary or path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Makes what was written to a file, or renamed in a folder, outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporary(folder: Path, name: str = "*") -> None:
    """Removes what a write of a file in a folder left behind that was killed."""
    for path in folder.glob(f".{name}.*"):
        path.unlink(missing_ok=True)
