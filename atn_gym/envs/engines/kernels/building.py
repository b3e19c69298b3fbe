"""Compiling once for a machine, safely, and saying so."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llvmlite import binding
from numba import njit
from numba.core import event

_MESSAGE = (
    "atn_gym: compiling the training kernels, which takes about half a minute; the result is "
    "kept on disk where that is possible"
)


def compiled(function: Callable[..., Any], variant: str) -> Any:
    """Compiles an entry point at its first call, or loads what another process has kept.

    numba keeps several results in one set of files, and looks for changes in the file of
    only the entry point. With a name of its own for each variant, each version of the
    kernels and each processor, a set of files holds one result only: processes that write
    it at once write the same, and none reads another's.

    Args:
        function: A function of this package.
        variant: What distinguishes it from others of the same name.
    """
    function.__qualname__ += f".{variant}.{_build()}"
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # numba finds no folder to write to.
        return njit(nogil=True)(function)


@functools.cache
def _build() -> str:
    """Names the version of the kernels and the processor: 16 hexadecimal digits."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
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
    """Makes calls that compile entry points, and says so on standard error if they do."""
    with event.install_listener("numba:compile", _Announcer()):
        for call in calls:
            # What could not be written to disk is in memory nevertheless.
            with contextlib.suppress(OSError):
                call()
