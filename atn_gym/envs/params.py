"""Arguments of an env, validated before any data is loaded."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from atn_gym.envs.arguments import plain
from atn_gym.envs.engines import ENGINES, check_measurable, choose_engine
from atn_gym.envs.gain import checked_gain
from atn_gym.envs.gradient_signals import SIGNAL_TRACKS
from atn_gym.envs.hyperparameters import HYPERPARAMETERS, HyperparameterSpace
from atn_gym.envs.randomness import Stream, integer_seed
from atn_gym.envs.regimes import Mixture, Regime
from atn_gym.envs.regimes.mixture import widened
from atn_gym.envs.registry import get_regime, get_task
from atn_gym.envs.rewards import get_reward
from atn_gym.envs.tasks import Task
from atn_gym.errors import (
    DeviceUnavailable,
    InvalidArgument,
    UnexpectedArgument,
    check_positive_integer,
    did_you_mean,
    shown,
    unknown_name,
)

_MOST = {"num_epochs": 100_000, "window": 10_000, "train_size": 2**31, "batch_size": 2**31}
"""Largest values: an env holds arrays of these sizes."""
_DEVICE = re.compile(r"cpu(:0)?|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class TuningParams:
    """What stays fixed for all episodes of an env.

    Numbers and arrays of numpy and paths of pathlib become plain values, which JSON can hold.

    Args:
        task: Name of a registered task.
        regime: Name of a registered regime.
        trigger: Epochs trained before the regime sets in (int), their share of the budget
            (float in (0, 1)), or a pair of shares between which each run draws its own; the
            default of the regime if None.
        severity: Full strength of the regime in [0, 1]; the default of task and kind if None.
        kind: Kind of the regime; its first if None. For `Mixture` the only one that is drawn;
            any if None.
        profile: "abrupt", "gradual", "recurring" or "stream"; "abrupt" if None.
        duration: Length of a gradual ramp in epochs.
        period: Length of a recurring phase, or of one change of a stream, in epochs.
        split: Only for `Mixture`: "train" or "test"; "train" if None.
        num_epochs: Epoch budget T; that of the task if None.
        train_size: Number of training samples; all if None.
        batch_size: Samples in a mini-batch; that of the task if None.
        optimizer: Name of an optimizer in place of that of the task: "sgd", "adamw", "nadamw",
            "hypergradient_sgd" or, with the extra `optimizers`, "schedule_free_sgd",
            "schedule_free_adamw", "prodigy" or "dadapt_sgd".
        initial: Initial hyperparameters by name in place of the task's; those left out stay.
        gain: Decades by which the effective learning rate exceeds the one that is set, from the
            first epoch on: a number, or a pair (lowest, highest) from which each run draws its
            own; that of the task if None. It is never observed.
        window: Number of past epochs in an observation.
        signals: "loss", or "gradient" for observations of gradients and weights too, which the
            docstring of `TuningEnv` lists.
        hyperparameters: Names of the K hyperparameters to control, in the order of the
            action; all if None. The others keep their initial values.
        reward: Name of the reward.
        checkpoint_rollback: Adds an action component; above 0 it restores the best
            checkpoint before the epoch. Divergence then does not end the run.
        twin: Makes the counterfactual twin of a run: the regime is switched off, its strength 0.
        engine: Training engine: "compiled" (the built-in network on a CPU), "batched" (many runs
            of a network at once), "torch" (any), "moments" or "sampled" (`NoisyQuadratic`:
            expected values, or runs drawn from them), or "auto": compiled, moments, batched where
            the task asks for it, or torch, the first that applies.
        device: Torch device, such as "cpu" or "cuda".
        data_dir: Folder of downloaded data; `ATN_GYM_DATA`, else a user cache, if None.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
        DependencyUnavailable: If the package of the optimizer does not import.
        DeviceUnavailable: If the device does not exist here.
    """

    task: str
    regime: str
    trigger: int | float | Sequence[float] | None = None
    severity: float | None = None
    kind: str | None = None
    profile: str | None = None
    duration: int = 5
    period: int = 5
    split: str | None = None
    num_epochs: int | None = None
    train_size: int | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    initial: Mapping[str, float] | None = None
    gain: float | Sequence[float] | None = None
    window: int = 10
    signals: str = "loss"
    hyperparameters: Sequence[str] | None = None
    reward: str = "log_loss"
    checkpoint_rollback: bool = False
    twin: bool = False
    engine: str = "auto"
    device: str = "cpu"
    data_dir: str | None = None

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, object]) -> TuningParams:
        """Builds the parameters from keywords, naming the nearest one for a typo."""
        known = [f.name for f in dataclasses.fields(cls)]
        for name in kwargs:
            if name not in known:
                raise UnexpectedArgument(
                    f"the env got an unexpected keyword argument {name!r}; "
                    f"{did_you_mean(name, known)}"
                )
        values: dict[str, Any] = dict(kwargs)
        return cls(**values)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))
        for name, most in _MOST.items():
            if name == "window" or getattr(self, name) is not None:
                check_positive_integer(name, getattr(self, name), most)
        for name in ("checkpoint_rollback", "twin"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidArgument(f"{name} must be a bool, got {getattr(self, name)!r}")
        if self.initial is not None:
            HyperparameterSpace().check(self.initial)
            # What the caller does to its dict later must not reach the env.
            object.__setattr__(self, "initial", dict(self.initial))
        if self.hyperparameters is not None:
            # JSON turns tuples into lists; both must give equal parameters.
            object.__setattr__(self, "hyperparameters", self.make_space().names)
        if isinstance(self.trigger, list):
            object.__setattr__(self, "trigger", tuple(self.trigger))
        if self.gain is not None:
            object.__setattr__(self, "gain", checked_gain(self.gain))
        if not isinstance(self.data_dir, (str, type(None))):
            raise InvalidArgument(f"data_dir must be a path, got {self.data_dir!r}")
        if self.engine not in ENGINES:
            raise unknown_name("engine", self.engine, ENGINES)
        if self.signals not in SIGNAL_TRACKS:
            raise unknown_name("signals", self.signals, SIGNAL_TRACKS)
        get_reward(self.reward)
        self.make_regime()
        check_device(self.device)
        if self.engine != "auto":
            choose_engine(self.engine, self.get_task(), self.device)
        if self.measures:
            check_measurable(self.get_task(), self.engine)

    @property
    def measures(self) -> bool:
        """Whether epochs give gradient signals."""
        return self.signals == "gradient"

    def get_task(self) -> Task:
        """The task, with the overrides of these parameters."""
        task = get_task(self.task)
        overrides: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("num_epochs", "batch_size", "optimizer")
            if getattr(self, name) is not None
        }
        if self.initial is not None:
            overrides["initial"] = tuple({**values, **self.initial} for values in task.initial)
        if self.gain is not None:
            overrides["gain"] = self.gain
        elif issubclass(get_regime(self.regime), Mixture):
            overrides["gain"] = widened(task.gain)
        if self.measures:
            # The batched engine measures none.
            overrides["batched"] = False
        return dataclasses.replace(task, **overrides)

    def resolved(self) -> TuningParams:
        """The same parameters with all defaults filled in."""
        task, regime = self.get_task(), self.make_regime()
        drawn = isinstance(regime, Mixture)
        chosen = ("split", "kind") if drawn else ("trigger", "severity", "kind", "profile")
        return dataclasses.replace(
            self,
            num_epochs=task.num_epochs,
            batch_size=task.batch_size,
            gain=task.gain,
            hyperparameters=self.make_space().names,
            engine=choose_engine(self.engine, task, self.device),
            **{name: getattr(regime, name) for name in chosen},
        )

    def controller_seed(self, seed: int) -> int:
        """Seed of the draws of what controls a run, from a stream of the run and the env.

        Without the env in it, one unlucky draw would befall the runs of a seed in all envs. The
        twin of a run, other engines, devices and signals have the same one.

        Args:
            seed: Seed of the run.

        Returns:
            An integer in [0, 2^63).
        """
        return integer_seed(seed, Stream.CONTROLLER, self._number)

    @functools.cached_property
    def _number(self) -> int:
        """Number of the env: a hash of task, regime, and the arguments that are not default."""
        plain = dataclasses.asdict(TuningParams(self.task, self.regime).resolved())
        chosen = {
            name: value
            for name, value in dataclasses.asdict(self.resolved()).items()
            if name not in ("twin", "engine", "device", "data_dir", "signals")
            and value != plain[name]
        }
        text = json.dumps([self.task, self.regime, chosen], sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def make_space(self) -> HyperparameterSpace:
        """The K controlled hyperparameters."""
        names = self.hyperparameters
        return HyperparameterSpace(tuple(HYPERPARAMETERS) if names is None else names)

    def make_regime(self) -> Regime | Mixture:
        """The regime, from which each episode samples its instance."""
        task = self.get_task()
        regime = get_regime(self.regime)
        chosen = {
            name: getattr(self, name)
            for name in ("trigger", "severity", "kind", "profile")
            if getattr(self, name) is not None
        }
        common: dict[str, Any] = {
            "duration": self.duration,
            "period": self.period,
            "num_epochs": task.num_epochs,
            "active": not self.twin,
        }
        if issubclass(regime, Mixture):
            kind = chosen.pop("kind", None)
            if chosen:
                raise InvalidArgument(
                    f"Mixture draws {', '.join(chosen)} in every episode: to choose, make the env "
                    "of one regime"
                )
            split = "train" if self.split is None else self.split
            return regime(split=split, kind=kind, inputs=task.inputs, **common)
        if self.split is not None:
            raise InvalidArgument(f"only Mixture has the argument split, got {self.split!r}")
        made = regime(**chosen, **common)
        suitable = regime.kinds_for(task.inputs)
        if made.kind not in suitable:
            raise InvalidArgument(
                f"{self.regime} with kind {made.kind!r} needs images, but the inputs of the task "
                f"{self.task} are {task.inputs}: choose one of the kinds {', '.join(suitable)}"
            )
        return made


def check_device(device: str) -> None:
    """Checks that a torch device exists on this machine.

    Raises:
        InvalidArgument: If it is not a device.
        DeviceUnavailable: If this machine has none such.
    """
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        raise InvalidArgument(
            f"device must be 'cpu' or 'cuda', or 'cuda:1' for one of several, got {shown(device)}"
        )
    parsed = torch.device(device)
    if parsed.type == "cpu":
        return
    if not torch.cuda.is_available() or (parsed.index or 0) >= torch.cuda.device_count():
        raise DeviceUnavailable(
            f"device={device!r} needs a CUDA GPU that torch can use, and this machine has "
            f"{torch.cuda.device_count()}: use device='cpu'"
        )
