"""What made a set of results: versions, machine, commit."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

import atn_gym

_PACKAGES = (
    "gymnasium",
    "numba",
    "numpy",
    "optuna",
    "scikit-learn",
    "torch",
    "torchvision",
)


def make_manifest(seeds: list[int]) -> dict[str, Any]:
    """Collects versions, threads, processor, commit and seeds as plain values."""
    return {
        "atn_gym": atn_gym.__version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "threads": torch.get_num_threads(),
        "processor": _processor(),
        "git_commit": _git_commit(),
        "seeds": seeds,
    }


def _version(package: str) -> str | None:
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


def _git_commit() -> str | None:
    """Commit of the source tree, marked if it has changes; None for an installed wheel."""
    source = Path(atn_gym.__file__).parent
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None
