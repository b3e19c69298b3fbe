"""Compiling once for a machine, safely, and saying so."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock
from llvmlite import binding
from numba import config, njit
from numba.core import event

_MESSAGE = (
    "atn_gym: compiling the training kernels, which takes half a minute at most; the result is "
    "kept on disk where that is possible"
)


def compiled(function: Callable[..., Any], variant: str) -> Any:
    """Compiles an entry point at its first call, or loads what another process has kept.

    numba keeps several results in one set of files, and looks for changes in the file of
    only the entry point. With a name of its own for each variant, each version of the
    kernels and each processor, a set of files holds one result only, and no process reads
    another's.

    Args:
        function: A function of this package.
        variant: What distinguishes it from others of the same name.
    """
    function.__qualname__ += f".{variant}.{_build()}"
    try:
        made = njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # numba finds no folder to write to.
        return njit(nogil=True)(function)
    _folders.add(Path(made.stats.cache_path))
    return made


_folders: set[Path] = set()
"""Where kernels are kept."""


def is_switched_off() -> bool:
    """Whether the environment keeps numba from compiling."""
    return bool(config.DISABLE_JIT)


@functools.cache
def _build() -> str:
    """Names the version of the kernels and the processor: 16 hexadecimal digits."""
    folder = Path(__file__).parent
    sources = [*sorted(folder.glob("*.py")), folder.parent / "moments.py"]
    parts = [path.read_bytes() for path in sources]
    processor = binding.get_host_cpu_name() + binding.get_host_cpu_features().flatten()
    return hashlib.sha256(b"".join([*parts, processor.encode()])).hexdigest()[:16]


class _Announcer(event.Listener):
    def __init__(self) -> None:
        self._said = False

    def on_start(self, event: Any) -> None:
        """Writes the message at the first compilation."""
        if not self._said:
            self._said = True
            print(_MESSAGE, file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Writes nothing."""


def build(*calls: Callable[[], object]) -> None:
    """Makes calls that compile entry points or load them, and says so on standard error.

    What was kept is loaded only if it is as it was written; what is damaged is compiled again.
    Processes take turns: two that compile the same write different files, and the checksum of
    one would not fit the file of the other.
    """
    with _turn(), event.install_listener("numba:compile", _Announcer()):
        _remove_damaged()
        for call in calls:
            try:
                _call(call)
            except Exception:
                # Damaged before it had a checksum, perhaps; what else is wrong shows again.
                _remove(_kept())
                _call(call)
        with contextlib.suppress(OSError):
            for path in _kept():
                if not _is_whole(path):
                    _checksum_of(path).write_text(_digest(path))


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """Keeps other processes from compiling or loading meanwhile, where the folder has locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, NotImplementedError):
            for folder in sorted(_folders):
                stack.enter_context(FileLock(folder / f"{_build()}.lock"))
        yield


def _call(call: Callable[[], object]) -> None:
    # What could not be written to disk is in memory nevertheless.
    with contextlib.suppress(OSError):
        call()


def _kept() -> list[Path]:
    """Files that numba keeps of this version of the kernels."""
    return [path for folder in _folders for path in folder.glob(f"*{_build()}*.nb[ic]")]


def _remove_damaged() -> None:
    with contextlib.suppress(OSError):
        _remove(path for path in _kept() if _checksum_of(path).is_file() and not _is_whole(path))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        print(f"atn_gym: a kept kernel is damaged and compiled anew: {path}", file=sys.stderr)
        path.unlink(missing_ok=True)
        _checksum_of(path).unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    """Whether a kept file has a checksum, and is as it was when that was written."""
    checksum = _checksum_of(path)
    return checksum.is_file() and checksum.read_bytes() == _digest(path).encode()


def _checksum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
