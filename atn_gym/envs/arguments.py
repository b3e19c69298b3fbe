"""Arguments of an env as a caller may write them: typed for editors, made plain for files."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from gymnasium.envs.registration import EnvSpec


class EnvArguments(TypedDict, total=False):
    """Arguments of an env but its task and regime; `TuningParams` says what each means."""

    trigger: int | float | Sequence[float] | None
    severity: float | None
    kind: str | None
    profile: str | None
    duration: int
    period: int
    split: str | None
    num_epochs: int | None
    train_size: int | None
    batch_size: int | None
    optimizer: str | None
    initial: Mapping[str, float] | None
    gain: float | Sequence[float] | None
    window: int
    signals: str
    hyperparameters: Sequence[str] | None
    reward: str
    checkpoint_rollback: bool
    twin: bool
    engine: str
    device: str
    data_dir: str | os.PathLike[str] | None


class MakeArguments(EnvArguments, total=False):
    """The same, and how to render."""

    render_mode: str | None


class TaskArguments(EnvArguments, total=False):
    """All arguments of an env."""

    task: str
    regime: str


def plain(value: Any) -> Any:
    """A value that JSON can hold in place of one from numpy or pathlib; any other as it is.

    Example:
        >>> plain({"num_epochs": np.int64(3), "trigger": np.array([0.2, 0.5])})
        {'num_epochs': 3, 'trigger': [0.2, 0.5]}
    """
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


class PlainSpec:
    """Keeps the arguments in the spec of an env plain, so that the spec can become JSON."""

    _spec: EnvSpec | None = None

    @property
    def spec(self) -> EnvSpec | None:
        """How the env was made; None if not by `gymnasium.make`."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = copy.copy(spec)
        if self._spec is not None:
            self._spec.kwargs = plain(self._spec.kwargs)
