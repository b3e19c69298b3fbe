"""Whether the files of a data set are the published ones, byte for byte."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

PUBLISHED = {
    "MNIST": {
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        "train-labels-idx1-ubyte": (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
        ),
        "t10k-images-idx3-ubyte": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        "t10k-labels-idx1-ubyte": (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
        ),
    },
}
"""SHA-256 of the unpacked files, by data set and name."""


def difference(name: str, folder: Path) -> str | None:
    """Tells data from the published one.

    Args:
        name: A name in `PUBLISHED`.
        folder: Where its files lie.

    Returns:
        16 hexadecimal digits for data that differs; None for the published one, and for files
        that are not all there: what is downloaded in their place is verified on the way.
    """
    paths = [folder / file for file in PUBLISHED[name]]
    if not all(path.is_file() for path in paths):
        return None
    found = [_digest(path, *_version(path)) for path in paths]
    if found == list(PUBLISHED[name].values()):
        return None
    return hashlib.sha256("".join(found).encode()).hexdigest()[:16]


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@functools.cache
def _digest(path: Path, size: int, modified: int) -> str:
    """SHA-256 of a file, once for each version of it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
