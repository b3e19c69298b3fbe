"""What made a set of results: versions, machine, commit."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import atn_gym

_PACKAGES = (
    "gymnasium",
    "numba",
    "numpy",
    "optuna",
    "scikit-learn",
    "scipy",
    "stable-baselines3",
    "torch",
    "torchvision",
)


def make_provenance(workers: int, threads: Mapping[str, int]) -> dict[str, Any]:
    """Collects versions, processes, processor and commit as plain values.

    Args:
        workers: Number of processes that share the machine.
        threads: Threads that each of them trains with, by engine.
    """
    return {**_of_machine(), "workers": workers, "threads": dict(threads)}


@functools.cache
def _of_machine() -> dict[str, Any]:
    return {
        "atn_gym": atn_gym.__version__,
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in _PACKAGES},
        "processor": _processor(),
        "git_commit": git_commit(),
    }


def make_manifest(seeds: list[int], workers: int, threads: Mapping[str, int]) -> dict[str, Any]:
    """What `make_provenance` collects, and the seeds.

    Args:
        seeds: Seeds of the runs.
        workers: Number of processes that share the machine.
        threads: Threads that each of them trains with, by engine.
    """
    return {**make_provenance(workers, threads), "seeds": seeds}


@functools.cache
def git_commit() -> str | None:
    """Commit of the source tree, marked if it has changes; read once a process.

    Returns:
        40 hexadecimal digits, "-dirty" after them where files differ from the commit; None
        for a package that git does not track, such as one installed from a wheel.
    """
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def package_version(package: str) -> str | None:
    """Version of an installed package; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*command: str) -> str | None:
    """What git says of the folder of the package; None if it says nothing or is not there."""
    source = Path(atn_gym.__file__).parent
    # Without locks: others may work in the same tree.
    prefix = ("git", "--no-optional-locks", "-C", str(source))
    try:
        result = subprocess.run(
            [*prefix, *command], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None
