"""Results on disk: one folder a run, complete or absent.

`<root>/<run key>/` holds `config.yaml`, `trace.csv` and, written last, `summary.json`;
`<root>/manifest.json` says what made them. The run key is a hash of the resolved config.
Every file is written under a temporary name, synced and renamed, so that nothing
half-written is ever read.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from atn_gym.errors import AtnGymError

_SUMMARY = "summary.json"


class StoreError(AtnGymError, OSError):
    """Results cannot be written or read."""


def run_key(config: Mapping[str, Any]) -> str:
    """Names a run by its resolved config: 16 hexadecimal digits."""
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class ResultStore:
    """The results of one experiment.

    Args:
        root: Its folder; made if absent.

    Raises:
        StoreError: If the folder cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"results folder {root} cannot be made ({error.strerror}): choose another one"
            ) from error

    def read(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """The summary of a run, or None if the run is not complete.

        Raises:
            StoreError: If the summary is damaged.
        """
        path = self.root / run_key(config) / _SUMMARY
        try:
            summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{path} cannot be read ({error}): delete its folder to have the run made anew"
            ) from error
        return summary

    def write(
        self,
        config: Mapping[str, Any],
        trace: Sequence[Mapping[str, Any]],
        summary: Mapping[str, Any],
    ) -> None:
        """Stores a run.

        Args:
            config: Its resolved config.
            trace: A row for each epoch, all with the same keys; at least one.
            summary: Its metrics.

        Raises:
            StoreError: If a file cannot be written.
        """
        folder = self.root / run_key(config)
        table = io.StringIO()
        writer = csv.DictWriter(table, fieldnames=list(trace[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(trace)
        try:
            folder.mkdir(exist_ok=True)
            write_atomically(folder / "config.yaml", yaml.safe_dump(dict(config)))
            write_atomically(folder / "trace.csv", table.getvalue())
            write_atomically(folder / _SUMMARY, json.dumps(summary, indent=2) + "\n")
        except OSError as error:
            raise StoreError(
                f"results cannot be written to {folder} ({error.strerror}): earlier results are "
                "intact; make room or choose another folder, and run the same command again"
            ) from error

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Stores what made the results.

        Raises:
            StoreError: If the file cannot be written.
        """
        try:
            text = json.dumps(manifest, indent=2) + "\n"
            write_atomically(self.root / "manifest.json", text)
        except OSError as error:
            raise StoreError(
                f"results cannot be written to {self.root} ({error.strerror}): choose another one"
            ) from error


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
