"""What a worker must share with the process that sends it jobs: code and libraries."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import atn_gym
from atn_gym.errors import AtnGymError
from atn_gym.eval.storage.keys import run_key

_LIBRARIES = ("numpy", "torch", "numba")


class WorkerRefused(AtnGymError, RuntimeError):
    """A worker has other code than the process that sent it a job."""


@dataclass(frozen=True)
class Origin:
    """The process that sends jobs.

    Args:
        version: Version of atn_gym and of what results depend on, by package.
        source: Digest of the source of atn_gym.
    """

    version: dict[str, str]
    source: str

    def check(self) -> None:
        """Checks this process against it.

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


def this_process() -> Origin:
    """This process, for the jobs that it sends."""
    return Origin(_versions(), _SOURCE)


def check_keys(expected: Sequence[str], configs: Sequence[Mapping[str, Any]]) -> None:
    """Checks that runs have the keys here that they had where their job was made.

    Args:
        expected: Those keys.
        configs: Resolved configs of the runs, in their order.

    Raises:
        WorkerRefused: If not.
    """
    if [run_key(config) for config in configs] != list(expected):
        controller = configs[0]["controller"]["name"]
        raise WorkerRefused(
            f"a worker on {socket.gethostname()} would make other runs of {controller!r} than this "
            "command: its modules, model files or data are not the same there, or have changed "
            "since; give all machines the same, and run the same command again"
        )


@functools.cache
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
