"""Rolls a policy out on an env: one run a seed, recorded, and held to the rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.agents.controller import Params
from atn_gym.agents.optimal import whole_plans
from atn_gym.agents.policy import Policy, RunAccount, SearchingPolicy, accounts_of
from atn_gym.envs.episodes.actions import check_actions
from atn_gym.errors import AtnGymError, InvalidArgument
from atn_gym.eval.running.failures import PolicyError, as_policy_error, runs_with
from atn_gym.eval.running.rows import Row, by_name, rows_of
from atn_gym.eval.running.single_run import Meter, SingleRuns

OnEpoch = Callable[[int], None]


@dataclass(eq=False)
class RunRecord:
    """One run as it was made.

    Args:
        seed: Its seed.
        beginning: Index of the initial set of its task.
        initial: Controlled hyperparameters before the first epoch, by name.
        shock: Epochs trained before the shock; None if none comes.
        trace: A row for each epoch.
        twin_val_loss: Clean validation loss of the twin in each epoch it trained; None if no
            twin was run.
        optimum: Best anytime performance that was possible; None where nobody knows it.
        training_s: Wall-clock spent in the env; runs trained together share it evenly.
        controller_s: Wall-clock spent in the policy, shared likewise.
        search_s: Wall-clock of the search before the runs, shared likewise.
        making_runs: What it took to tune or train the method, in whole runs; None if unknown.
        test: Loss and accuracy on the test split.
        account: What the policy did and spent beyond training the run once.
        error: Why the run is lost; None if it is not.
    """

    seed: int
    beginning: int
    initial: Params
    shock: int | None
    trace: list[Row] = field(default_factory=list)
    twin_val_loss: list[float] | None = None
    optimum: float | None = None
    training_s: float = 0.0
    controller_s: float = 0.0
    search_s: float = 0.0
    making_runs: float | None = 0.0
    test: dict[str, float] = field(default_factory=dict)
    account: RunAccount = field(default_factory=RunAccount)
    error: AtnGymError | None = None


def run_seeds(
    policy: Policy,
    env: Any,
    seeds: Sequence[int],
    on_epoch: OnEpoch | None = None,
    initial: Sequence[Params] | None = None,
    meter: Meter | None = None,
) -> list[RunRecord]:
    """Runs a policy once on each seed, without a single restart.

    A search that the policy makes before is its own matter, and charged. Once the runs have
    begun, only `step` may advance them.

    Args:
        policy: Decides the actions of all runs.
        env: A vector env in DISABLED autoreset mode with one slot a seed, wrapped or not.
        seeds: Seeds of the runs.
        on_epoch: Called with the number of runs that trained an epoch.
        initial: Initial hyperparameters of each run; those of the task, or what the policy
            searches, if None.
        meter: What has metered the making of the policy; None if that is no matter.

    Returns:
        A record for each seed. If a controller fails, only its run is lost; likewise if its action
        has NaN.

    Raises:
        PolicyError: If the policy raises, does not return one action per run, resets or
            advances a run itself, or trains epochs that it does not account for: all runs are
            lost.
    """
    meter, began = meter or Meter(), time.perf_counter()
    if initial is None and isinstance(policy, SearchingPolicy):
        initial = _search(policy, env, seeds)
    searched = time.perf_counter() - began
    episodes = env.unwrapped.episodes
    observation, infos = env.reset(seed=list(seeds), options=_options(initial))
    records = [_record(infos, i, seed, episodes) for i, seed in enumerate(seeds)]
    if episodes.knows_optimum and not episodes.params.twin:
        for record, (_, best, _) in zip(
            records, whole_plans(episodes, range(len(seeds))), strict=True
        ):
            record.optimum = best
    single = SingleRuns(episodes, type(policy).__name__)
    running = np.ones(len(records), dtype=np.bool_)
    start, state = np.ones(len(records), dtype=np.bool_), None
    for epoch in range(episodes.num_epochs):
        if not running.any():
            break
        began = time.perf_counter()
        actions, state = _predict(policy, observation, state, start, records)
        decided = time.perf_counter()
        single.check_untouched(running, epoch)
        actions = _valid_actions(policy, actions, env, records, running)
        running &= np.array([record.error is None for record in records])
        seen = observation
        with meter.scored():
            observation, rewards, terminations, _, infos = env.step(actions)
        trained = time.perf_counter()
        runs = np.flatnonzero(running)
        for i, row in zip(runs.tolist(), rows_of(infos, rewards, runs, episodes), strict=True):
            records[i].trace.append(row)
            records[i].controller_s += (decided - began) / len(runs)
            records[i].training_s += (trained - decided) / len(runs)
        if on_epoch is not None:
            on_epoch(len(runs))
        running &= ~terminations
        # What a run shows after its end must not depend on other runs.
        observation = _select(running, observation, seen)
        start = np.zeros_like(start)
    with as_policy_error(
        f"policy {type(policy).__name__}", f"in accounts() after {runs_with(seeds)}"
    ):
        for record, account in zip(records, accounts_of(policy, state, len(records)), strict=True):
            if not isinstance(account, RunAccount):
                raise InvalidArgument(f"an account must be a RunAccount, got {account!r}")
            record.account = account
            record.error = record.error or account.error
    for record in records:
        record.search_s = searched / len(records)
    meter.check_accounts([record.account for record in records], type(policy).__name__)
    for i, record in enumerate(records):
        if record.error is None:
            single.check_account(i, len(record.trace), record.account)
            record.test = episodes.test_metrics(i)
    return records


def _select(mask: NDArray[np.bool_], then: Any, otherwise: Any) -> Any:
    """Observations of the runs in a mask from one batch, of the others from another."""
    if isinstance(then, dict):
        return {name: _select(mask, then[name], otherwise[name]) for name in then}
    return np.where(mask.reshape(-1, *[1] * (then.ndim - 1)), then, otherwise)


def _options(initial: Sequence[Params] | None) -> dict[str, Any] | None:
    """Reset options that set initial hyperparameters: an array for each name."""
    if initial is None:
        return None
    return {"hyperparameters": {name: np.array([i[name] for i in initial]) for name in initial[0]}}


def _record(infos: dict[str, Any], i: int, seed: int, episodes: Any) -> RunRecord:
    initial = {name: float(values[i]) for name, values in by_name(infos).items()}
    shock = episodes.state(i).regime.shock_epoch
    return RunRecord(seed, episodes.task.beginning(seed), initial, shock)


def _search(policy: SearchingPolicy, env: Any, seeds: Sequence[int]) -> list[Params]:
    """Initial hyperparameters of every run, checked."""
    with as_policy_error(
        f"policy {type(policy).__name__}", f"in search() before {runs_with(seeds)}"
    ):
        found = list(policy.search())
        for initial, _ in zip(found, seeds, strict=True):
            env.unwrapped.episodes.hyperparameters.check(initial)
            if initial.keys() != found[0].keys():
                raise InvalidArgument(f"all runs must have the same names, got {found}")
    return found


def _predict(
    policy: Policy, observation: Any, state: Any, start: Any, records: list[RunRecord]
) -> tuple[Any, Any]:
    with as_policy_error(f"policy {type(policy).__name__}", _when(records)):
        result = policy.predict(observation, state=state, episode_start=start, deterministic=True)
        if not isinstance(result, tuple) or len(result) != 2:
            raise InvalidArgument(f"predict must return (actions, state), got {result!r}")
        return result


def _when(records: Sequence[RunRecord]) -> str:
    epoch = max(len(record.trace) for record in records)
    return f"at epoch {epoch} of {runs_with([record.seed for record in records])}"


def _valid_actions(
    policy: Policy,
    actions: Any,
    env: Any,
    records: list[RunRecord],
    running: NDArray[np.bool_],
) -> NDArray[Any]:
    """Actions that the env takes; a running run whose action has NaN is lost, and idles."""
    who = f"policy {type(policy).__name__}"
    try:
        valid = np.array(actions)
        if valid.shape == env.action_space.shape and np.issubdtype(valid.dtype, np.floating):
            for i in np.flatnonzero(np.isnan(valid).any(axis=1)).tolist():
                if running[i]:
                    records[i].error = PolicyError(
                        f"{who} returned an action with NaN {_when([records[i]])}: "
                        f"{valid[i].tolist()}"
                    )
                valid[i] = 0
        check_actions(valid, env.action_space.shape)
    except (TypeError, ValueError) as error:
        raise PolicyError(f"{who} returned wrong actions {_when(records)}: {error}") from error
    return valid
