"""Results on disk: one part for the runs of a job, complete or absent.

`<root>/parts/` holds the parts, see `atn_gym.eval.storage.parts`; `<root>/damaged/` those that were
changed after they were written. `<root>/manifest.json` says what made them, the command that made
runs last and, under `earlier`, those before that differ from it; `<root>/labels.json` what
controllers are called. Files in `<root>/.claims/` are locked while a run is being made. Every file
is written under a temporary name, synced and renamed, so that nothing half-written is ever read.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from atn_gym.eval.storage import parts
from atn_gym.eval.storage.claims import Claims, claiming
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.reading import PARTS_FOLDER, part_names, read_parts
from atn_gym.eval.storage.run_folders import run_folders
from atn_gym.eval.storage.runs import StoredRun, stored_runs
from atn_gym.eval.storage.sealing import read_sealed, seal
from atn_gym.files import StoreError, Unreadable, remove_temporary, write_atomically

_log = logging.getLogger(__name__)
MANIFEST_FILE = "manifest.json"
DAMAGED_FOLDER = "damaged"
CLAIMS_FOLDER = ".claims"


class ResultStore:
    """The results of one experiment, to be added to.

    Args:
        root: Its folder; made if absent.

    Raises:
        StoreError: If the folder cannot be made, or holds runs of an earlier layout.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._parts = root / PARTS_FOLDER
        self._read = set[str]()
        self._runs: dict[str, StoredRun] = {}
        self._written: dict[str, Mapping[str, Any]] = {}
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            (root / CLAIMS_FOLDER).mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"results folder {root} cannot be made ({error.strerror}): choose another one"
            ) from error
        earlier = run_folders(root)
        if earlier:
            raise StoreError(
                f"results folder {root} holds {len(earlier)} runs in the layout of earlier "
                f"versions: convert them with `atn-gym pack {root}`, and nothing is lost"
            )

    def refresh(self) -> None:
        """Reads the parts that this process has not read or written yet.

        One that was changed is named in the log and set aside, so that its runs are made again.
        """
        while True:
            names = set(part_names(self._parts))
            if self._read - names:
                # Parts were merged, or set aside by another process: all are read again.
                self._read, self._runs, self._written = set(), {}, {}
            new = sorted(names - self._read)
            if not new:
                return
            found = read_parts(self._parts, new)
            self._read.update(names - {*found.damaged, *found.gone})
            for name, reason in found.damaged.items():
                self._set_aside(name, reason)
            for key, reason in found.faulty.items():
                _log.warning("run %s in %s is made again: %s", key, self._parts, reason)
            for run in stored_runs(found.runs):
                self._runs.setdefault(run.key, run)

    def _set_aside(self, name: str, reason: str) -> None:
        place = self.root / DAMAGED_FOLDER / name
        try:
            place.parent.mkdir(exist_ok=True)
            (self._parts / name).replace(place)
        except OSError:
            place = self._parts / name
            self._read.add(name)
        _log.warning("%s is damaged, and the runs in it are made again: %s", place, reason)

    def has(self, key: str) -> bool:
        """Whether a run is complete, as of the last `refresh` or `write`."""
        return key in self._written or key in self._runs

    def summary(self, key: str) -> Mapping[str, Any] | None:
        """The summary of a run, or None if the run is not complete."""
        if key in self._written:
            return self._written[key]
        run = self._runs.get(key)
        return None if run is None else run.summary

    def write(self, runs: Sequence[parts.RunResult], provenance: Mapping[str, Any]) -> None:
        """Stores runs as one part, whole or not at all.

        Args:
            runs: At least one; the first of them must be claimed, if others write too.
            provenance: What made them.

        Raises:
            StoreError: If it cannot be written.
        """
        keys = [run_key(run.config) for run in runs]
        complete = {
            key: run.summary for key, run in zip(keys, runs, strict=True) if run.summary is not None
        }
        self.write_part(parts.encode(runs, provenance), keys[0], complete)

    def write_part(
        self, content: bytes, claim: str, summaries: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Stores a part that was made elsewhere.

        Args:
            content: Of `atn_gym.eval.storage.parts.encode`.
            claim: Key of one of its runs that this process has claimed, if others write too: its
                temporary file goes by it.
            summaries: Summaries of its complete runs by their keys.

        Raises:
            StoreError: If it cannot be written.
        """
        name = parts.part_name(content)
        try:
            write_atomically(self._parts / name, content, self._temporary(claim))
        except OSError as error:
            raise not_written(self._parts, error) from error
        self._read.add(name)
        self._written.update(summaries)

    def _temporary(self, key: str) -> Path:
        return self.root / CLAIMS_FOLDER / f"{key}.part"

    @contextlib.contextmanager
    def claims(self, keys: Sequence[str]) -> Iterator[Claims]:
        """Claims runs, see `claiming`, and reads what others have stored.

        What a process that was killed left of the part of a claimed run under a temporary name
        is removed.

        Args:
            keys: Keys of the runs.

        Raises:
            StoreError: If the folder of the claims cannot be written.
        """
        folder = self.root / CLAIMS_FOLDER
        with contextlib.ExitStack() as stack:
            try:
                claims = stack.enter_context(claiming(folder, keys))
                for key in claims.suspects:
                    self._temporary(key).unlink(missing_ok=True)
            except OSError as error:
                raise not_written(folder, error) from error
            # Another process may have completed a run since this one looked.
            self.refresh()
            yield claims

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Stores what makes the results; what made earlier ones, if it differs, is kept.

        Raises:
            StoreError: If the file cannot be written.
        """
        path = self.root / MANIFEST_FILE
        try:
            with FileLock(self.root / CLAIMS_FOLDER / "manifest"):
                remove_temporary(self.root, path.name)
                write_atomically(path, seal({**manifest, **_earlier(path, manifest)}))
        except OSError as error:
            raise not_written(self.root, error) from error


def _earlier(path: Path, manifest: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What the manifests before this one said, oldest first; each that differs, once."""
    if not path.exists():
        return {}
    try:
        before = read_sealed(path)
        earlier = [*before.pop("earlier", []), before]
    except (Unreadable, TypeError) as error:
        _log.warning("%s is damaged and written again: %s", path, error)
        return {}
    kept = [one for i, one in enumerate(earlier) if one != manifest and one not in earlier[:i]]
    return {"earlier": kept} if kept else {}


def not_written(folder: Path, error: OSError) -> StoreError:
    """The error for results that cannot be written."""
    return StoreError(
        f"results cannot be written to {folder} ({error.strerror}): earlier results are intact; "
        "make room or choose another folder, and run the same command again"
    )
