"""The policy that runs a controller for each run of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.agents.controller import (
    Controller,
    ControllerFactory,
    Params,
    RunSetting,
    factory_name,
    make_controller,
)
from atn_gym.agents.policy import Actions, ControllerError, RunAccount
from atn_gym.arrays import FloatArray
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.gradient_signals import GradientSignals, signals_of
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import FOREIGN_ERRORS, InvalidArgument, check_count


@dataclass
class ControllerRun:
    """The controller of one run.

    Args:
        controller: Its controller; None if it could not be made.
        epoch: Epochs trained when it last proposed.
        error: Why it is no longer asked; None while it is.
    """

    controller: Controller | None
    epoch: int
    error: ControllerError | None = None


class ControllerPolicy:
    """Runs one controller for each run of a batch, a new one in each episode.

    A controller observes the observed validation loss, the hyperparameters in force and, if it
    asks for them, gradient signals. `predict` keeps no state in the policy: the state that it
    returns is handed in next time.

    Args:
        make_controller: Makes the controller of a run.
        hyperparameters: The controlled hyperparameters of the env.
        num_epochs: Epoch budget of the env.
        seeds: Seed of each run; that of run i is i if None.
        controller_seed: Maps the seed of a run to that of its controller's draws.
        action_size: Components of an action; K if None. Any beyond K stay 0, which asks for
            no checkpoint rollback.
        num_steps: Says how many steps the last epoch had, for gradient signals.
        isolate: Whether an error of a controller costs only its own run: it is kept for
            `accounts`, and the actions of the run are 0 from then on. Otherwise it is raised.
    """

    def __init__(
        self,
        make_controller: ControllerFactory,
        hyperparameters: HyperparameterSpace,
        num_epochs: int,
        seeds: Sequence[int] | None = None,
        action_size: int | None = None,
        isolate: bool = False,
        controller_seed: Callable[[int], int] = int,
        num_steps: Callable[[], int] = lambda: 1,
    ) -> None:
        self._make_controller = make_controller
        self._space = hyperparameters
        self._num_epochs = num_epochs
        self._seeds = seeds
        self._action_size = len(hyperparameters) if action_size is None else action_size
        self._isolate = isolate
        self._controller_seed = controller_seed
        self._num_steps = num_steps

    @classmethod
    def for_env(
        cls,
        make_controller: ControllerFactory,
        env: Any,
        seeds: Sequence[int] | None = None,
        isolate: bool = False,
    ) -> ControllerPolicy:
        """Makes the policy for a single or vector env of this package.

        Draws of controllers come from streams of the env and the seed of the run.

        Args:
            make_controller: Makes the controller of a run.
            env: The single or vector env.
            seeds: Seed of each run; that of run i is i if None.
            isolate: See the class.
        """
        episodes = env.unwrapped.episodes
        return cls(
            make_controller,
            episodes.hyperparameters,
            episodes.num_epochs,
            seeds,
            episodes.action_space.shape[0],
            isolate,
            episodes.params.controller_seed,
            lambda: int(episodes.steps_per_epoch),
        )

    def predict(
        self,
        observation: Observation,
        state: list[ControllerRun] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, list[ControllerRun]]:
        """Asks the controller of each run for its next hyperparameters.

        A run that has spent its budget, or whose progress has not changed since the last call,
        is over and idles.

        Args:
            observation: The Dict observation of one run, or of n runs.
            state: What the last call returned; None begins episodes everywhere.
            episode_start: Which runs begin an episode, (n,); runs at progress 0 do anyway.
            deterministic: Has no effect; controllers draw from their own seeds.

        Returns:
            Actions of shape (action_size,), or (n, action_size), and the state to hand in
            next time.

        Raises:
            InvalidArgument: If the observation is not a Dict, or lacks what a controller asks for.
            ControllerError: If a controller raises, cannot be made, or proposes missing or
                unknown names, or values that are not finite or out of bounds.
        """
        if not isinstance(observation, Mapping):
            raise InvalidArgument(
                "a controller needs the Dict observation of the env, got "
                f"{type(observation).__name__}: give it the env without FlatObservation"
            )
        single = observation["progress"].ndim == 1
        batch = {k: v[None] if single else v for k, v in observation.items()}
        epochs = np.rint(batch["progress"][:, 0] * self._num_epochs).astype(int).tolist()
        values = _round(self._space.from_log10(batch["hyperparameters"].astype(np.float64)))
        starts = np.array([epoch == 0 for epoch in epochs])
        if episode_start is not None:
            starts |= np.atleast_1d(episode_start)
        runs: list[ControllerRun] = []
        actions = np.zeros((len(values), self._action_size), np.float32)
        targets: dict[int, FloatArray] = {}
        for i, epoch in enumerate(epochs):
            if state is None or starts[i]:
                run, metric = ControllerRun(None, epoch), None
            elif epoch in (state[i].epoch, self._num_epochs) or state[i].error is not None:
                runs.append(state[i])
                continue
            else:
                run = ControllerRun(state[i].controller, epoch)
                metric = float(batch["observed_val_loss"][i, -1])
            runs.append(run)
            try:
                if run.controller is None:
                    run.controller = self._make(i)
                signals = self._signals(run.controller, batch, i)
                when = f"at epoch {epoch} of the run with seed {self._seed(i)}"
                targets[i] = self._propose(run.controller, epoch, metric, signals, values[i], when)
            except ControllerError as error:
                if not self._isolate:
                    raise
                run.error = error
        if targets:
            asked = list(targets)
            moves = self._space.deltas(values[asked], np.array(list(targets.values())))
            actions[asked, : len(self._space)] = moves
        return (actions[0] if single else actions), runs

    def accounts(self, state: list[ControllerRun]) -> list[RunAccount]:
        """Rollbacks, optimizer evaluations and the error of the controller of every run."""
        return [_account(run, self._seed(i)) for i, run in enumerate(state)]

    def _seed(self, run: int) -> int:
        return run if self._seeds is None else self._seeds[run]

    def _make(self, run: int) -> Controller:
        seed = self._seed(run)
        setting = RunSetting(self._space, self._num_epochs, self._controller_seed(seed))
        try:
            return make_controller(self._make_controller, setting)
        except FOREIGN_ERRORS as error:
            raise ControllerError(
                f"controller {factory_name(self._make_controller)} raised {type(error).__name__} "
                f"when it was made for the run with seed {seed}: {error}"
            ) from error

    def _signals(
        self, controller: Controller, batch: Observation, run: int
    ) -> GradientSignals | None:
        """The gradient signals of a run; None if its controller asks for none."""
        if controller.signals == "loss":
            return None
        if "gradient_norm" not in batch:
            raise InvalidArgument(
                f"controller {type(controller).__name__} observes gradient signals, which this env "
                "does not show: make the env with signals='gradient'"
            )
        return signals_of(batch, run, self._num_steps())

    def _propose(
        self,
        controller: Controller,
        epoch: int,
        metric: float | None,
        signals: GradientSignals | None,
        values: FloatArray,
        when: str,
    ) -> FloatArray:
        try:
            if signals is not None:
                controller.observe_signals(signals)
            if metric is not None:
                controller.observe(metric, epoch)
            proposal = controller.propose(self._space.named(values))
        except FOREIGN_ERRORS as error:
            raise ControllerError(
                f"controller {type(controller).__name__} raised {type(error).__name__} {when}: "
                f"{error}"
            ) from error
        try:
            self._check(proposal)
        except InvalidArgument as error:
            raise ControllerError(
                f"controller {type(controller).__name__} made an invalid proposal {when}: {error}"
            ) from error
        return np.array([proposal[n] for n in self._space.names], dtype=np.float64)

    def _check(self, proposal: Params) -> None:
        if not isinstance(proposal, Mapping):
            raise InvalidArgument(f"propose must return a dict of values by name, got {proposal!r}")
        missing = [n for n in self._space.names if n not in proposal]
        if missing:
            raise InvalidArgument(f"a proposal must name {', '.join(missing)} too")
        self._space.check(proposal)


def _account(run: ControllerRun, seed: int) -> RunAccount:
    if run.controller is None:
        return RunAccount(error=run.error)
    counts = {}
    try:
        for name in ("rollbacks", "optimizer_evaluations"):
            counts[name] = getattr(run.controller, name)
            check_count(name, counts[name])
    except FOREIGN_ERRORS as error:
        return RunAccount(
            error=ControllerError(
                f"controller {type(run.controller).__name__} must count what it does in the run "
                f"with seed {seed}: {error}"
            )
        )
    return RunAccount(**counts, observes=run.controller.observes, error=run.error)


def _round(values: FloatArray) -> FloatArray:
    """Rounds to the 6 significant digits that a float32 logarithm carries."""
    return np.array([[float(f"{v:.6g}") for v in row] for row in values])
