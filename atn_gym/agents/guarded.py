"""A guard around any policy, which undoes what the loss does not bear out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.agents.controller import Params
from atn_gym.agents.method_around import MethodAround
from atn_gym.agents.policy import Actions, Policy, RunAccount, SearchingPolicy, accounts_of
from atn_gym.arrays import FloatArray
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.hyperparameters import RESOLUTION
from atn_gym.errors import check_count, check_number


@dataclass(frozen=True)
class Guarded(MethodAround):
    """Lets another method decide, within a trust region, and undoes its steps on a regression.

    With L_t the observed validation loss, the guard keeps a mark, the least L so far, and trusted
    values of the hyperparameters, at first the initial ones. After each epoch:

    - L_t <= (1 + tolerance) mark: the values in force become the trusted ones.
    - Otherwise the epoch is a regression, and the mark becomes L_t. If the values in force differ
      from the trusted ones, the guard returns to these, a rollback, and keeps them for `hold`
      further epochs, also if the method wants others. In an env with `checkpoint_rollback` it
      restores the weights of the best checkpoint too. If they do not differ, nothing is undone.

    A step that would take a hyperparameter further than `radius` decades from its trusted value
    goes only as far as that, an override. The method observes the values that result, and is
    charged for what it spends. Rollbacks and overrides stand in the summary of a run.

    What it costs and saves on the Digits task: the paired difference that it makes to anytime
    performance, with its 95 % interval, and the runs of 20 that collapse without and with it.

    | | Stationary | DataShift | OptimizerSensitivityShift |
    |---|---|---|---|
    | `heuristic` | -0.014 ± 0.016, 0 to 0 | -0.003 ± 0.038, 1 to 1 | -0.092 ± 0.073, 0 to 3 |
    | `bandit` | +0.001 ± 0.005, 0 to 0 | -0.011 ± 0.026, 0 to 1 | +0.002 ± 0.006, 0 to 0 |
    | `one_cycle` | -0.000 ± 0.002, 0 to 0 | -0.006 ± 0.008, 0 to 0 | -0.004 ± 0.006, 0 to 0 |
    | `random_online` | +0.065 ± 0.044, 5 to 1 | +0.050 ± 0.039, 9 to 5 | +0.022 ± 0.040, 4 to 2 |

    `python benchmarks/guard.py --seeds 20 --methods heuristic bandit one_cycle random_online --envs
    DigitsCnn-Stationary DigitsCnn-DataShift DigitsCnn-OptimizerSensitivityShift` prints it, on
    training seeds. On Stationary no cost can be told from 0; `random_online` gains there and
    under DataShift. Where the effective learning rate grows it harms `heuristic`: a rollback can
    undo a cut of the rate.

    When it fails: where the loss rises for other reasons, such as a shock or noise, it undoes good
    steps with bad ones, and holds the method back when it ought to move. A method that keeps the
    course of its own in mind, such as a schedule, returns to it once the guard lets go.

    Args:
        method: The method: a name such as "heuristic"; in Python also a policy, a `Method`, or a
            class of controllers.
        arguments: Its arguments by name, if it goes by a name.
        tolerance: Relative rise above the mark that is no regression yet, >= 0.
        radius: Size of the trust region in decades, for momentum those of 1 - m, >= 0.
        hold: Epochs for which trusted values are kept after a rollback, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
    """

    tolerance: float = 0.294
    radius: float = 0.521
    hold: int = 0

    def __post_init__(self) -> None:
        check_number("tolerance", self.tolerance, 0)
        check_number("radius", self.radius, 0)
        check_count("hold", self.hold)
        super().__post_init__()

    @property
    def making_runs(self) -> float | None:
        """What the making of the method within took, and the tuning of the guard."""
        within = self.inner.making_runs
        return None if within is None else within + 1_188.0

    def policy(self, env: Any, seeds: Sequence[int]) -> Policy:
        """Makes the policy of the method, and the guard around it."""
        policy = self.inner.policy(env, seeds)
        searches = isinstance(policy, SearchingPolicy)
        return (GuardedSearch if searches else GuardedPolicy)(self, policy, env)


@dataclass(frozen=True, eq=False)
class Watch:
    """What the guard knows of one run.

    Args:
        trusted: Trusted values in the observed form, decades, (K,).
        epoch: Share of the budget that was trained when it last looked.
        mark: Least observed loss since the last regression.
        held: Epochs for which it still keeps the trusted values.
        rollbacks: Returns to trusted values.
        overrides: Steps that it cut short.
    """

    trusted: FloatArray
    epoch: float
    mark: float = np.inf
    held: int = 0
    rollbacks: int = 0
    overrides: int = 0


@dataclass
class GuardState:
    """State of a guarded policy between two calls.

    Args:
        inner: State of the policy within.
        watches: One a run.
    """

    inner: Any = None
    watches: list[Watch] = field(default_factory=list)


class GuardedPolicy:
    """Asks a policy, and corrects its actions.

    Args:
        guard: The arguments of the guard.
        policy: The policy within.
        env: The single or vector env.
    """

    def __init__(self, guard: Guarded, policy: Policy, env: Any) -> None:
        self._guard = guard
        self._policy: Any = policy
        self._space = env.unwrapped.episodes.hyperparameters

    def predict(
        self,
        observation: Observation,
        state: GuardState | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, GuardState]:
        """The actions of the policy within, corrected.

        Args:
            observation: The Dict observation of one run, or of n runs.
            state: What the last call returned; None begins episodes everywhere.
            episode_start: Which runs begin an episode, (n,); runs at progress 0 do anyway.
            deterministic: Handed on.
        """
        before = GuardState() if state is None else state
        wanted, inner = self._policy.predict(
            observation, before.inner, episode_start, deterministic
        )
        single = observation["progress"].ndim == 1
        actions = np.array(wanted, np.float32)
        rows = actions[None] if single else actions
        batch = {k: v[None] if single else v for k, v in observation.items()}
        watches = []
        for i, progress in enumerate(batch["progress"][:, 0].tolist()):
            logs = batch["hyperparameters"][i].astype(np.float64)
            starts = episode_start is not None and np.atleast_1d(episode_start)[i]
            if not before.watches or starts or progress == 0:
                watch = Watch(logs, progress)
            elif progress in (before.watches[i].epoch, 1.0):
                watches.append(before.watches[i])
                continue
            else:
                watch = self._judged(
                    before.watches[i], logs, float(batch["observed_val_loss"][i, -1])
                )
            watches.append(self._correct(replace(watch, epoch=progress), logs, rows[i]))
        return actions, GuardState(inner, watches)

    def _judged(self, watch: Watch, logs: FloatArray, loss: float) -> Watch:
        """What the guard knows after an epoch; a rollback is due where `held` exceeds `hold`."""
        if watch.held:
            return replace(watch, held=watch.held - 1, mark=min(watch.mark, loss))
        if loss <= (1 + self._guard.tolerance) * watch.mark:
            return replace(watch, trusted=logs, mark=min(watch.mark, loss))
        if np.abs(logs - watch.trusted).max() <= RESOLUTION:
            return replace(watch, mark=loss)
        return replace(watch, mark=loss, held=self._guard.hold + 1, rollbacks=watch.rollbacks + 1)

    def _correct(self, watch: Watch, logs: FloatArray, action: NDArray[np.float32]) -> Watch:
        """Corrects the action of a run in place."""
        size, values = len(self._space), self._space.from_log10(logs)
        if watch.held:
            action[:] = 0
            action[:size] = self._space.deltas(values, self._space.from_log10(watch.trusted))
            if watch.held > self._guard.hold:
                action[size:] = 1
            return watch
        target = self._space.log10(self._space.apply(values, action[:size].astype(np.float64)))
        radius = self._guard.radius
        allowed = np.clip(target, watch.trusted - radius, watch.trusted + radius)
        if np.abs(allowed - target).max() <= RESOLUTION:
            return watch
        action[:size] = self._space.deltas(values, self._space.from_log10(allowed))
        return replace(watch, overrides=watch.overrides + 1)

    def accounts(self, state: GuardState) -> list[RunAccount]:
        """What the policy within spent, and what the guard did."""
        accounts = accounts_of(self._policy, state.inner, len(state.watches))
        return [
            replace(
                account,
                rollbacks=account.rollbacks + watch.rollbacks,
                overrides=account.overrides + watch.overrides,
                observes=True,
            )
            for account, watch in zip(accounts, state.watches, strict=True)
        ]


class GuardedSearch(GuardedPolicy):
    """A guarded policy that searches before the runs."""

    def search(self) -> list[Params]:
        """Initial hyperparameters of every run, which the guard trusts."""
        found: list[Params] = self._policy.search()
        return found
