"""The reference that never observes its run: a schedule tuned on the data set beforehand."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.agents.controller_policy import ControllerPolicy
from atn_gym.agents.method import Method
from atn_gym.envs.data import load_digits, load_fashion_mnist, load_mnist
from atn_gym.envs.hyperparameters import HYPERPARAMETERS, HyperparameterSpace
from atn_gym.envs.networks import SmallCnn
from atn_gym.errors import InvalidArgument, unknown_name

SCHEDULES = Path(__file__).parent / "shipped"
"""The folder of the schedules that come with the package."""

_OF_DATA = {load_digits: "digits", load_mnist: "mnist", load_fashion_mnist: "mnist"}
"""Names of the shipped schedules by what loads the data; Fashion-MNIST has that of MNIST."""

_SHIPPED = sorted(set(_OF_DATA.values()))
"""Schedules for the optimizer of the tasks."""

Knots = Mapping[str, Sequence[tuple[float, float]]]
"""For each hyperparameter (share of the run, value), shares rising from 0 to 1."""


class KnotSchedule(Controller):
    """Sets each hyperparameter to an absolute value that depends on the epoch only.

    Between two knots it is linear in decades on the tuned scale (of 1 - m for momentum). The
    first epoch has the share 0 of the run, the last one 1.

    Args:
        setting: What is known of the run.
        knots: See `Knots`. A hyperparameter without any keeps its value.

    Raises:
        InvalidArgument: If knots name no hyperparameter, or break their requirement.

    Example:
        >>> setting = RunSetting(HyperparameterSpace(["learning_rate"]), num_epochs=3)
        >>> schedule = KnotSchedule(setting, {"learning_rate": [(0, 0.1), (1, 0.001)]})
        >>> schedule.observe(2.3, step=1)
        >>> schedule.propose({"learning_rate": 0.1})
        {'learning_rate': 0.01}
    """

    observes = False

    def __init__(self, setting: RunSetting, knots: Knots) -> None:
        super().__init__(setting)
        self._curves = {name: _curve(name, points) for name, points in knots.items()}
        self._epoch = 0

    def observe(self, metric: float, step: int) -> None:
        """Counts the epoch; the metric is not looked at."""
        self._epoch = step

    def propose(self, current_params: Params) -> Params:
        """The values of the epoch that follows."""
        share = min(self._epoch / max(self.setting.num_epochs - 1, 1), 1.0)
        proposed = dict(current_params)
        for name, (shares, logs) in self._curves.items():
            if name in proposed:
                space = HyperparameterSpace([name])
                (value,) = space.from_log10(np.interp([share], shares, logs))
                proposed[name] = float(value)
        return proposed


@dataclass(frozen=True)
class Blind(Method):
    """Follows a tuned schedule of absolute values and never observes its run: a reference.

    The schedule of all three hyperparameters goes through a few knots and was tuned for the
    data set of the env by CMA-ES over whole runs of the default task under every regime, on
    seeds that no results use. It may come to a halt if that is best. So it is what can be had
    by knowing the data set without looking at the run: its adaptation score is 0.

    The built-in CNN has a schedule each on Digits and MNIST, and one for AdamW on Digits; other
    networks have none. That of MNIST is a multiple in the learning rate of that of Digits, chosen
    on MNIST among a few. Fashion-MNIST, on which nothing was tuned, has that of MNIST. What tuning
    took is stated as its making cost.

    When it fails: where the scale of the task is hidden, so that no absolute value suits all
    runs; and after a shock that asks for another course than the one that is best on average.

    Args:
        schedule: A JSON file that `benchmarks/tune_blind.py` wrote, or the name of a shipped
            one: "digits", "digits_adamw" or "mnist". If None, the one for the data set of the env
            and SGD.

    Raises:
        InvalidArgument: If there is no such file, or it holds no schedule.

    Source:
        N. Hansen and A. Ostermeier, Completely Derandomized Self-Adaptation in Evolution
        Strategies, Evolutionary Computation 9, 2001.
    """

    schedule: str | None = None

    def __post_init__(self) -> None:
        if self.schedule is not None:
            self._knots_of(self.schedule)

    @property
    def needs_env(self) -> bool:
        """True: the schedule is that of its data."""
        return True

    def policy(self, env: Any, seeds: Sequence[int]) -> ControllerPolicy:
        """Makes the policy of the runs of an env.

        Raises:
            InvalidArgument: If no schedule comes with the package for the task of the env, or for
                its optimizer.
        """
        episodes = env.unwrapped.episodes
        built_in = episodes.task.network is SmallCnn
        name = self.schedule or (_OF_DATA.get(episodes.task.dataset) if built_in else None)
        if name is None:
            raise InvalidArgument(
                "blind has schedules for the built-in CNN on Digits, MNIST and Fashion-MNIST, and "
                f"the task {episodes.params.task} is none of them: tune one by "
                "benchmarks/tune_blind.py and give its file as schedule"
            )
        optimizer = episodes.task.optimizer
        if self.schedule is None and optimizer != "sgd":
            raise InvalidArgument(
                f"the schedules of blind are for SGD, and this env trains by {optimizer!r}: give "
                "schedule='digits_adamw' for AdamW on Digits, or the file of one that "
                "benchmarks/tune_blind.py tuned"
            )
        make = functools.partial(KnotSchedule, knots=self._knots_of(name))
        return ControllerPolicy.for_env(make, env, seeds, isolate=True)

    @property
    def making_runs(self) -> float | None:
        """Runs that tuning took, the most of the schedules that may be followed."""
        made = [json.loads(file.read_text(encoding="utf-8")) for file in self._files]
        known = [file.get("making", {}).get("runs") for file in made]
        return None if None in known else float(max(known))

    def digest(self) -> str:
        """A hash of the schedules: another file under the same path makes other runs."""
        content = b"".join(file.read_bytes() for file in self._files)
        return hashlib.sha256(content).hexdigest()[:16]

    @property
    def _files(self) -> list[Path]:
        names = _SHIPPED if self.schedule is None else [self.schedule]
        return [_file(name) for name in names]

    @staticmethod
    def _knots_of(name: str) -> Knots:
        file = _file(name)
        try:
            knots: Knots = json.loads(file.read_text(encoding="utf-8"))["knots"]
            for hyperparameter, points in knots.items():
                _curve(hyperparameter, points)
        except FileNotFoundError as error:
            raise InvalidArgument(
                "schedule must be a JSON file or the name of a shipped schedule "
                f"({', '.join(_names())}), got {name!r}: no such file"
            ) from error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidArgument(
                f"schedule must be a file that benchmarks/tune_blind.py wrote, got {name!r} "
                f"({error})"
            ) from error
        return knots


def _names() -> list[str]:
    """The schedules that come with the package."""
    return sorted(path.stem.removeprefix("blind_") for path in SCHEDULES.glob("blind_*.json"))


def _file(name: str) -> Path:
    shipped = SCHEDULES / f"blind_{name}.json"
    return shipped if shipped.is_file() else Path(name)


def _curve(name: str, points: Any) -> tuple[list[float], list[float]]:
    """Shares of the knots of a hyperparameter, and its decades there."""
    if name not in HYPERPARAMETERS:
        raise unknown_name("hyperparameter", name, HYPERPARAMETERS)
    space = HyperparameterSpace([name])
    for _, value in points:
        space.check({name: value})
    shares = [float(share) for share, _ in points]
    rising = all(a < b for a, b in itertools.pairwise(shares))
    if len(shares) < 2 or shares[0] != 0 or shares[-1] != 1 or not rising:
        raise InvalidArgument(
            f"knots of {name} must have shares that rise from 0 to 1, got {shares}"
        )
    return shares, [float(space.log10(np.array([value]))[0]) for _, value in points]
