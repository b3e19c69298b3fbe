"""Torch's ambient settings, kept away from training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def usual_torch_settings() -> Iterator[None]:
    """Has torch compute as it does by default, whatever a caller has set around it.

    Gradients are recorded, autocast is off, and new tensors are float32 and on the CPU. Also
    a decorator. Threads that are started within have these settings anyway, for all but the
    data type are each thread's own.
    """
    dtype = torch.get_default_dtype()
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        # Entered in need alone, for then every call of torch passes through Python.
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, dtype)
        yield
