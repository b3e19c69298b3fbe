"""A lock on what all threads of a process share."""

from __future__ import annotations

import os
import threading


class ProcessLock:
    """A re-entrant lock, to be held by `with`, that is free in a forked child.

    A thread that holds a lock while another one forks does not exist in the child, where it
    would never let go.
    """

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()
