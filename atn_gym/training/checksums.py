"""Checksums of the files of a training, so that training never resumes from a damaged one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from atn_gym.eval.storage.sealing import read_sealed, seal
from atn_gym.files import Unreadable, sync, write_atomically

CHECKSUMS = "checksums.json"


def write_checksums(folder: Path, names: list[str]) -> None:
    """Writes the checksums of some files of a folder; all are on disk when this returns."""
    for name in names:
        sync(folder / name)
    write_atomically(folder / CHECKSUMS, seal({name: _digest(folder / name) for name in names}))


def check_files(folder: Path) -> None:
    """Checks the files of a folder that have a checksum.

    Raises:
        Unreadable: If one of them, or the list of checksums, is missing or was changed.
    """
    for name, digest in read_sealed(folder / CHECKSUMS).items():
        if _digest(folder / name) != digest:
            raise Unreadable(f"{name} was changed: its checksum does not match")


def _digest(path: Path) -> str:
    if not path.is_file():
        raise Unreadable(f"{path.name} is missing")
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read: {error.strerror}") from error
