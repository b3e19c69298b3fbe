"""Torch's ambient settings and its global generator, kept apart from training.

Some of it belongs to the whole process. Whoever changes that holds a lock, so that runs
in several threads do not mix.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from atn_gym.envs.process_lock import ProcessLock

_generator_lock = ProcessLock()


class _DefaultDtype:
    """The default data type, which all threads share."""

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self._users = 0
        self._dtype = torch.float32

    @contextlib.contextmanager
    def float32(self) -> Iterator[None]:
        """Makes new tensors float32 until the last thread is done."""
        with self._lock:
            if not self._users:
                self._dtype = torch.get_default_dtype()
            if torch.get_default_dtype() != torch.float32:
                torch.set_default_dtype(torch.float32)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users and self._dtype != torch.float32:
                    torch.set_default_dtype(self._dtype)


_default_dtype = _DefaultDtype()


@contextlib.contextmanager
def usual_torch_settings() -> Iterator[None]:
    """Has torch compute with its default settings, also where a caller has set others.

    Gradients are recorded, autocast is off, and new tensors are float32 and on the CPU. Also
    a decorator. All but the data type are each thread's own.
    """
    with contextlib.ExitStack() as stack:
        # Entered only where needed, for that takes longer than to look.
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        # Entered, it makes every call of torch pass through Python.
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(_default_dtype.float32())
        yield


@contextlib.contextmanager
def global_generator_seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seeds torch's global generator for modules that take no other, and restores it after.

    One thread at a time: others wait. What a thread of the caller's own draws meanwhile comes
    from the same generator.

    Args:
        seed: The seed, in [0, 2^64).
        device: A CUDA device whose generator is seeded too; the CPU's only if None.
    """
    cuda = device is not None and device.type == "cuda"
    with _generator_lock, torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
