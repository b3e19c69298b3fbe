"""A run whose weights and optimizer state lie in flat arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim

_SGD_BUFFERS = ("momentum_buffer",)
_ADAMW_BUFFERS = ("exp_avg", "exp_avg_sq")
_MODULE_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_PARAMETER_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")
_OPTIMIZER_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
_SWITCHES = ("nesterov", "dampening", "maximize", "amsgrad")


def in_memory_order(values: Tensor) -> Tensor:
    """The values of a parameter, filters channels last as torch's convolutions like them."""
    return values.permute(0, 2, 3, 1) if values.ndim == 4 else values


class FlatRun:
    """A network and an optimizer as `SmallCnn` and torch make them, over flat arrays.

    The module's parameters and the optimizer's state are views of the arrays, so that what
    a regime writes in place is trained on, and what is trained is seen by all.

    Args:
        model: The network.
        optimizer: Its optimizer, "sgd" or "adamw" of `make_optimizer`.
        filters_last: Whether filters lie channels last.
        alignment: Every parameter begins at a multiple of it, with zeros in between.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: optim.Optimizer,
        filters_last: bool = True,
        alignment: int = 1,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._modules = tuple(model.modules())
        self._settings = tuple(_settings(module) for module in self._modules)
        self._parameters = tuple(model.parameters())
        adaptive = isinstance(optimizer, optim.AdamW)
        self._names = _ADAMW_BUFFERS if adaptive else _SGD_BUFFERS
        self._filters_last = filters_last
        self._sizes = [-(-p.numel() // alignment) * alignment for p in self._parameters]
        device = self._parameters[0].device
        self.weights = torch.zeros(sum(self._sizes), device=device)
        """Weights, float32 (P,)."""
        self.buffers = tuple(torch.zeros_like(self.weights) for _ in self._names)
        """Momentum of SGD, or mean and mean square of AdamW, float32 (P,) each."""
        self.steps = 0
        """Steps that the optimizer's state holds; for SGD 1 stands for all."""
        self._recorded: list[tuple[Tensor, int]] = []
        self._views = tuple(self._views_of(self.weights))
        self._buffer_views = tuple(tuple(self._views_of(b)) for b in self.buffers)
        self._adopt_weights()

    def _views_of(self, flat: Tensor) -> Iterator[Tensor]:
        """Views of a flat tensor in the shapes of the parameters."""
        for part, parameter in zip(flat.split(self._sizes), self._parameters, strict=True):
            values = part[: parameter.numel()]
            if self._filters_last and parameter.ndim == 4:
                yield values.view(in_memory_order(parameter).shape).permute(0, 3, 1, 2)
            else:
                yield values.view(parameter.shape)

    @property
    def group(self) -> dict[str, Any]:
        """The optimizer's only group, with the effective hyperparameters."""
        group: dict[str, Any] = self._optimizer.param_groups[0]
        return group

    def adopt(self) -> bool:
        """Brings what a regime or a snapshot has put in place into the flat arrays.

        Returns:
            Whether kernels can train the run: not if network or optimizer are no longer as
            they were made, hooks included, so that only torch can.
        """
        if not self._as_made():
            return False
        self._adopt_weights()
        return self._adopt_state()

    def _as_made(self) -> bool:
        model, optimizer, groups = self._model, self._optimizer, self._optimizer.param_groups
        if tuple(model.modules()) != self._modules:
            return False
        # As model.parameters(), which looks at every module once more, and slowly.
        found = (p for m in self._modules for p in m._parameters.values() if p is not None)
        parameters = tuple(dict.fromkeys(found))
        return (
            all(map(_computes_as_made, self._modules, self._settings))
            and _all_are(parameters, self._parameters)
            and all(p.requires_grad for p in parameters)
            and all(p.shape == v.shape for p, v in zip(parameters, self._views, strict=True))
            and not any(getattr(p, hooks) for p in parameters for hooks in _PARAMETER_HOOKS)
            and len(groups) == 1
            and _all_are(groups[0]["params"], self._parameters)
            and not any(groups[0].get(name) for name in _SWITCHES)
            and not any(getattr(optimizer, hooks) for hooks in _OPTIMIZER_HOOKS)
        )

    def _adopt_weights(self) -> None:
        for parameter, view in zip(self._parameters, self._views, strict=True):
            if parameter.data_ptr() != view.data_ptr():
                view.copy_(parameter.data)
                parameter.data = view

    def _adopt_state(self) -> bool:
        states = [self._optimizer.state.get(p, {}) for p in self._parameters]
        held = {name for state in states for name, value in state.items() if value is not None}
        if not held:
            # The state was cleared, or set back to before the first step.
            for buffer in self.buffers:
                buffer.zero_()
            self.steps = 0
            return True
        steps = {self.steps}
        if not self._steps_stand(states):
            steps = {int(state.get("step", 1)) for state in states}
        partial = any(state.get(name) is None for state in states for name in self._names)
        if partial or len(steps) > 1:
            return False
        self.steps = steps.pop()
        for name, views in zip(self._names, self._buffer_views, strict=True):
            for state, view in zip(states, views, strict=True):
                if state[name].data_ptr() != view.data_ptr():
                    view.copy_(state[name])
                    state[name] = view
        return True

    def _steps_stand(self, states: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the numbers of steps are those of `record`, which a device would be asked for."""
        return len(self._recorded) == len(states) and all(
            state.get("step") is step and step._version == version
            for state, (step, version) in zip(states, self._recorded, strict=True)
        )

    def record(self, steps: int) -> None:
        """Leaves the optimizer's state as torch would.

        Args:
            steps: Steps taken in all, or 0 if the optimizer keeps no state.
        """
        if steps == 0:
            return
        for i, parameter in enumerate(self._parameters):
            state = self._optimizer.state[parameter]
            if "exp_avg" in self._names:
                state.setdefault("step", torch.zeros((), device=parameter.device)).fill_(steps)
            for name, views in zip(self._names, self._buffer_views, strict=True):
                state[name] = views[i]
        found = [self._optimizer.state[parameter].get("step") for parameter in self._parameters]
        self._recorded = [(step, step._version) for step in found if step is not None]
        self.steps = steps

    def finite(self) -> bool:
        """Whether every weight is finite."""
        return bool(np.isfinite(self.weights.numpy()).all())

    def get_state(self) -> dict[str, Any]:
        """Copies weights, buffers and optimizer state."""
        state = {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict()}
        # A deep copy or a pickle of a view would hold all that the view is of.
        copied: dict[str, Any] = _copied(state)
        return copied


def _settings(module: nn.Module) -> dict[str, Any]:
    """What a layer is made with, such as its stride."""
    return {k: v for k, v in vars(module).items() if k[0] != "_" and k != "training"}


def _computes_as_made(module: nn.Module, settings: dict[str, Any]) -> bool:
    """Whether a module has its settings, its own `forward` and no hooks."""
    return (
        "forward" not in vars(module)
        and settings.items() <= vars(module).items()
        and not any(getattr(module, hooks) for hooks in _MODULE_HOOKS)
    )


def _all_are(first: list[Tensor] | tuple[Tensor, ...], second: tuple[Tensor, ...]) -> bool:
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return value
