"""What `atn-gym doctor` looks at: versions, processors, data, engine and the kernels on disk."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atn_gym import __version__
from atn_gym.envs.data import data_directory
from atn_gym.envs.registry import get_task
from atn_gym.eval.storage.provenance import package_version

_PACKAGES = ("gymnasium", "torch", "torchvision", "numpy", "numba", "optuna", "pyarrow")
_EXTRAS = {
    "rl": ("stable-baselines3", "atn-gym train, and archives as controllers"),
    "contrib": ("sb3-contrib", "RecurrentPPO, TQC and others"),
    "cluster": ("distributed", "atn-gym run --dask"),
    "optimizers": ("schedulefree", "controllers with an optimizer of their own"),
    "huggingface": ("transformers", "controllers in its Trainer"),
    "lightning": ("lightning", "controllers in its Trainer"),
}
_FILES = {"MnistCnn": "MNIST", "FashionCnn": "FashionMNIST"}


@dataclass(frozen=True)
class Finding:
    """One line of the examination.

    Args:
        what: What was looked at.
        found: What was found.
        remedy: What to do about it; None where nothing is wrong.
    """

    what: str
    found: str
    remedy: str | None = None


def examine() -> Iterator[Finding]:
    """Looks at everything that an env or an experiment needs, one thing after the other."""
    yield Finding("atn_gym", f"{__version__}, Python {platform.python_version()}")
    for package in _PACKAGES:
        yield _package(package)
    for extra, (package, purpose) in _EXTRAS.items():
        version = package_version(package)
        found = f"{package} {version}" if version else f"not installed; for {purpose}"
        yield Finding(f"extra {extra}", found)
    yield from _processors()
    yield from map(_data, _FILES)
    yield from _engine()


def _package(package: str) -> Finding:
    version = package_version(package)
    remedy = None if version else "install atn_gym again: pip install atn_gym"
    return Finding(package, version or "missing", remedy)


def _processors() -> Iterator[Finding]:
    import torch

    from atn_gym.eval.running.threads import core_count

    cores, threads = core_count(), torch.get_num_threads()
    yield Finding("processors", f"{cores}, of which torch uses {threads}")
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    remedy = None
    if busy > cores:
        remedy = "training takes longer than usual: wait, or set OMP_NUM_THREADS=1"
    yield Finding("load", f"{busy:.1f} processes in the last minute", remedy)
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none; device='cpu' only"
    yield Finding("GPU", cuda)


def _data(task: str) -> Finding:
    folder = data_directory() / _FILES[task] / "raw"
    files = sorted(folder.glob("*ubyte*")) if folder.is_dir() else []
    if files:
        return Finding(f"data of {task}", f"{len(files)} files in {folder}")
    return Finding(
        f"data of {task}",
        f"not in {folder}",
        "it is downloaded when such an env is first made; without a network, set ATN_GYM_DATA to "
        f"the folder that holds {_FILES[task]}/raw. DigitsCnn needs no download",
    )


def _engine() -> Iterator[Finding]:
    from atn_gym.envs.engines.choice import choose_engine, obstacle

    task = get_task("DigitsCnn")
    engine, reason = choose_engine("auto", task, "cpu"), obstacle("compiled", task, "cpu")
    remedy = None
    if reason is not None:
        remedy = f"the compiled engine {reason}; the torch engine takes some ten times as long"
    yield Finding("engine of DigitsCnn", engine, remedy)
    if reason is None:
        yield _kernels()


def _kernels() -> Finding:
    from atn_gym.envs.engines import kernels

    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(kernels.__file__).parent)
    kept = list(folder.rglob("*.nbi"))
    if kept:
        return Finding("compiled kernels", f"{len(kept)} kept in {folder}")
    if os.access(folder, os.W_OK):
        return Finding("compiled kernels", "none yet; the first env compiles them in half a minute")
    return Finding(
        "compiled kernels",
        f"none, and {folder} cannot be written",
        "every process compiles for half a minute: set NUMBA_CACHE_DIR to a folder you can write",
    )
