"""Results on disk: one folder a run, complete or absent.

`<root>/<run key>/` holds `config.yaml`, `trace.csv` and, written last, `summary.json`; of a run
that failed it holds `config.yaml` and `failure.json`.
`<root>/manifest.json` says what made them, the command that made runs last and, under
`earlier`, those before that differ from it; files in `<root>/.claims/` are locked while a run is
being made. The run key is a hash of the resolved config. Every file is written under a
temporary name, synced and renamed, so that nothing half-written is ever read. Every JSON file
ends with a checksum of its content; that of a summary or failure covers config and trace as well.
"""

from __future__ import annotations

import contextlib
import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from atn_gym.eval.metrics.formatting import printable
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.runs import CONFIG_FILE, FAILURE_FILE, SUMMARY_FILE, TRACE_FILE, read_run
from atn_gym.eval.storage.sealing import read_sealed, seal
from atn_gym.files import StoreError, Unreadable, remove_temporary, write_atomically

_log = logging.getLogger(__name__)
# The dumper in C, where there is one: the other takes longer than half an epoch of Digits.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
MANIFEST_FILE = "manifest.json"


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

        A damaged run is named in the log and taken for none, so that it is made anew.
        """
        try:
            return self._summary(config)
        except Unreadable as error:
            _log.warning("%s is damaged and made anew: %s", self.root / run_key(config), error)
            return None

    def has(self, config: Mapping[str, Any]) -> bool:
        """Whether a run is complete, and not damaged."""
        try:
            return self._summary(config) is not None
        except Unreadable:
            return False

    def _summary(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        folder = self.root / run_key(config)
        return read_run(folder).summary if (folder / SUMMARY_FILE).exists() else None

    def write(
        self,
        config: Mapping[str, Any],
        trace: Sequence[Mapping[str, Any]],
        summary: Mapping[str, Any],
    ) -> None:
        """Stores a run, in place of why it failed, if it has before.

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
        text = _config_text(config)
        files = {
            CONFIG_FILE: text,
            TRACE_FILE: table.getvalue(),
            SUMMARY_FILE: seal(summary, text, table.getvalue()),
        }
        self._write_files(folder, files)
        try:
            (folder / FAILURE_FILE).unlink(missing_ok=True)
        except OSError as error:
            raise not_written(folder, error) from error

    def write_failure(self, config: Mapping[str, Any], reason: str) -> None:
        """Stores why a run failed, until it is made.

        Args:
            config: Its resolved config.
            reason: What went wrong; stored on one line, without characters that a terminal obeys.

        Raises:
            StoreError: If a file cannot be written.
        """
        text = _config_text(config)
        files = {
            CONFIG_FILE: text,
            FAILURE_FILE: seal({"error": " ".join(printable(reason).split())}, text),
        }
        self._write_files(self.root / run_key(config), files)

    def _write_files(self, folder: Path, files: Mapping[str, str]) -> None:
        """Writes the files of a run in their order."""
        try:
            folder.mkdir(exist_ok=True)
            for name, text in files.items():
                write_atomically(folder / name, text)
        except OSError as error:
            raise not_written(folder, error) from error

    @contextlib.contextmanager
    def claims(self, configs: Sequence[Mapping[str, Any]]) -> Iterator[list[bool]]:
        """Claims runs for this process, so that no other on this machine makes them too.

        A claim ends with the context, or with the process, however it ends. What a process
        that was killed left in the folder of a claimed run under a temporary name is removed.

        Args:
            configs: Resolved configs of the runs.

        Yields:
            Whether each run was free, and is now claimed.

        Raises:
            StoreError: If the folder of the claims cannot be written.
        """
        folder = self.root / ".claims"
        with contextlib.ExitStack() as stack:
            try:
                folder.mkdir(exist_ok=True)
                claimed = [_claim(stack, folder / run_key(config)) for config in configs]
                for config, is_claimed in zip(configs, claimed, strict=True):
                    if is_claimed:
                        remove_temporary(self.root / run_key(config))
            except OSError as error:
                raise not_written(folder, error) from error
            yield claimed

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Stores what makes the results; what made earlier ones, if it differs, is kept.

        Raises:
            StoreError: If the file cannot be written.
        """
        path = self.root / MANIFEST_FILE
        try:
            lock = self.root / ".claims" / "manifest"
            lock.parent.mkdir(exist_ok=True)
            with FileLock(lock):
                remove_temporary(self.root, path.name)
                write_atomically(path, seal({**manifest, **_earlier(path, manifest)}))
        except OSError as error:
            raise not_written(self.root, error) from error


def _config_text(config: Mapping[str, Any]) -> str:
    return str(yaml.dump(dict(config), Dumper=_DUMPER))


def _earlier(path: Path, manifest: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What the manifests before this one said, oldest first; each that differs, once."""
    try:
        before = read_sealed(path)
        earlier = [*before.pop("earlier", []), before]
    except (Unreadable, TypeError):
        return {}
    kept = [one for i, one in enumerate(earlier) if one != manifest and one not in earlier[:i]]
    return {"earlier": kept} if kept else {}


def not_written(folder: Path, error: OSError) -> StoreError:
    """The error for results that cannot be written."""
    return StoreError(
        f"results cannot be written to {folder} ({error.strerror}): earlier results are intact; "
        "make room or choose another folder, and run the same command again"
    )


def _claim(stack: contextlib.ExitStack, path: Path) -> bool:
    try:
        stack.enter_context(FileLock(path, blocking=False))
    except Timeout:
        return False
    return True
