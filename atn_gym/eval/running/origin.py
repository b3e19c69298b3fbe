"""What a worker must share with the process that sends it jobs: code, libraries and a folder."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import atn_gym
from atn_gym.errors import AtnGymError
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.store import not_written

_LIBRARIES = ("numpy", "torch", "numba")
_SEEN_WITHIN_S = 5.0
"""Seconds within which a network file system shows a new file to all machines."""


class WorkerRefused(AtnGymError, RuntimeError):
    """A worker has other code or another folder than the process that sent it a job."""


@dataclass(frozen=True)
class Origin:
    """The process that sends jobs.

    Args:
        version: Version of atn_gym and of what results depend on, by package.
        source: Digest of the source of atn_gym.
        token: Name of a file among the claims in the folder of the results.
    """

    version: dict[str, str]
    source: str
    token: str

    def check(self, root: Path) -> None:
        """Checks this process against it.

        Args:
            root: Folder of the results.

        Raises:
            WorkerRefused: If it differs.
        """
        here = socket.gethostname()
        for package, found in _versions().items():
            if found != self.version.get(package):
                raise WorkerRefused(
                    f"a worker on {here} has {package} {found}, but this command has "
                    f"{self.version.get(package)}: install the same on all machines"
                )
        if self.source != _SOURCE:
            raise WorkerRefused(
                f"a worker on {here} has other code of atn_gym {atn_gym.__version__} than this "
                "command: install the same on all machines, and restart the workers"
            )
        deadline = time.monotonic() + _SEEN_WITHIN_S
        while not (root / ".claims" / self.token).is_file():
            if time.monotonic() > deadline:
                raise WorkerRefused(
                    f"a worker on {here} does not see the results folder {root} of this command: "
                    "give --results, or results in the config, a folder that all machines share"
                )
            time.sleep(0.1)


@contextlib.contextmanager
def sending_jobs(root: Path) -> Iterator[Origin]:
    """Describes this process for its jobs; its token lies in a folder of results meanwhile.

    Raises:
        StoreError: If the token cannot be written.
    """
    token = root / ".claims" / f"sender-{uuid.uuid4().hex}"
    try:
        token.parent.mkdir(exist_ok=True)
        token.touch()
    except OSError as error:
        raise not_written(root, error) from error
    try:
        yield Origin(_versions(), _SOURCE, token.name)
    finally:
        token.unlink(missing_ok=True)


def check_keys(expected: Sequence[str], configs: Mapping[int, Mapping[str, Any]]) -> None:
    """Checks that runs have the keys here that they had where their job was made.

    Args:
        expected: Those keys, in the order of `configs`; none for a job that was made here.
        configs: Resolved configs of the runs, by seed.

    Raises:
        WorkerRefused: If not.
    """
    found = tuple(run_key(config) for config in configs.values())
    if expected and found != tuple(expected):
        controller = next(iter(configs.values()))["controller"]["name"]
        raise WorkerRefused(
            f"a worker on {socket.gethostname()} would make other runs of {controller!r} than this "
            "command: its modules, model files or data are not the same there, or have changed "
            "since; give all machines the same, and run the same command again"
        )


def _versions() -> dict[str, str]:
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"atn_gym": atn_gym.__version__, **libraries}


def _source_digest() -> str:
    """A hash of all modules of the package."""
    root = Path(atn_gym.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


_SOURCE = _source_digest()
"""As it was when this process imported it: the files may have changed since."""
