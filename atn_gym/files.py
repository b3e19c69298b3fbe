"""Files: written whole or not at all, and read with one sentence for what is wrong with them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from atn_gym.errors import AtnGymError, one_line

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
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreadable(f"{path.name} cannot be read: {reason}") from error


def read_mapping(path: Path) -> dict[str, Any]:
    """Reads a YAML or JSON file that holds a mapping.

    Raises:
        Unreadable: If it cannot be read, or holds something else.
    """
    text = read_text(path)
    try:
        values = yaml.load(text, _YAML_LOADER) if path.suffix == ".yaml" else json.loads(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise Unreadable(f"{path.name} cannot be read: {one_line(error)}") from error
    if not isinstance(values, dict):
        raise Unreadable(f"{path.name} holds no mapping")
    return values


def write_atomically(path: Path, text: str) -> None:
    """Writes a file that is there in full or not at all, whatever happens on the way."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes a rename outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporary(folder: Path, name: str = "*") -> None:
    """Removes what a write of a file in a folder left behind that was killed."""
    for path in folder.glob(f".{name}.*"):
        path.unlink(missing_ok=True)
