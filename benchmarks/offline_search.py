"""How does a search before the run fail? What it finds is followed to where it is used.

For every search and seed: the score by which its best trial was chosen, and that of a fresh run of
the same env with the same values; how much the learning rate can be raised before training breaks
down; and what the one of its five best trials that suits a shift best wins over the one it chose.

    python benchmarks/offline_search.py --seeds 10 --out results/offline_search
    python docs/make_questions_page.py search results/offline_search
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import atn_gym
from atn_gym.agents import Method, RunAccount
from atn_gym.agents.controller import Params
from atn_gym.agents.offline_bayesian import EarlyBayesian, OfflineBayesian
from atn_gym.agents.offline_search import OfflineSearch, Search
from atn_gym.agents.policy import Actions
from atn_gym.agents.successive_halving import SuccessiveHalving
from atn_gym.eval.running.batch import EvaluatedRun

STATIONARY = "atn_gym/DigitsCnn-Stationary-v0"
SHIFTED = "atn_gym/DigitsCnn-DataShift-v0"
METHODS: dict[str, OfflineSearch] = {
    "early_bayesian": EarlyBayesian(),
    "successive_halving": SuccessiveHalving(),
    "offline_bayesian": OfflineBayesian(),
}
GAINS = (0.25, 0.5, 0.75, 1.0)
"""Decades by which the effective learning rate is raised to find where training breaks down."""
BEST_TRIALS = 5
"""How many trials of a search, by their scores, hindsight chooses among."""
FILE = "searches.json"


class Given(Method):
    """Begins the run of each seed with given values and leaves them.

    Args:
        values: Hyperparameters by seed.
    """

    def __init__(self, values: Mapping[int, Params]) -> None:
        self._values = values

    def policy(self, env: Any, seeds: Sequence[int]) -> GivenRuns:
        """Makes the policy of the runs of an env."""
        return GivenRuns([self._values[seed] for seed in seeds], env.action_space.shape)


class GivenRuns:
    """The policy of runs that begin with given values.

    Args:
        values: Of each run.
        action_shape: Shape of an action of the env.
    """

    def __init__(self, values: list[Params], action_shape: tuple[int, ...]) -> None:
        self._values, self._shape = values, action_shape

    def search(self) -> list[Params]:
        """The values."""
        return self._values

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Actions, Any]:
        """Actions of 0."""
        return np.zeros(self._shape, np.float32), state

    def accounts(self, state: Any) -> list[RunAccount]:
        """Nothing is charged, for the search is not part of what is measured."""
        return [RunAccount(observes=False) for _ in self._values]


def runs(values: Mapping[int, Params], env: str, **arguments: Any) -> dict[int, EvaluatedRun]:
    """The run of each seed from given values."""
    found = atn_gym.evaluate(Given(values), env, list(values), twins=False, **arguments)
    return {run.seed: run for run in found.runs}


def metrics(values: Mapping[int, Params], env: str, name: str, **arguments: Any) -> dict[int, Any]:
    """A metric of the run of each seed from given values."""
    return {s: (run.summary or {})[name] for s, run in runs(values, env, **arguments).items()}


def as_selected(method: OfflineSearch, run: EvaluatedRun, num_epochs: int) -> float:
    """The score of a run by what the search chooses its best trial by."""
    scores = np.full(num_epochs, -1.0)
    scores[: len(run.trace)] = [row["score"] for row in run.trace]
    if isinstance(method, SuccessiveHalving):
        return float(scores[round(num_epochs / method.factor) - 1])
    assert isinstance(method, OfflineBayesian)
    return float(scores[: max(round(method.trial_share * num_epochs), 1)].mean())


def cliffs(values: Mapping[int, Params]) -> dict[int, float | None]:
    """Decades to the least gain at which training breaks down; None if none of `GAINS` does it."""
    found: dict[int, float | None] = dict.fromkeys(values)
    for gain in reversed(GAINS):
        for seed, run in runs(values, STATIONARY, gain=gain).items():
            summary = run.summary or {}
            if summary["collapsed"] or summary["divergence_events"]:
                found[seed] = gain
    return found


def followed(name: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """A record of the search of each seed."""
    method = METHODS[name]
    env: Any = gymnasium.make(SHIFTED)
    space, num_epochs = env.unwrapped.episodes.hyperparameters, env.unwrapped.episodes.num_epochs
    policy = method.policy(env, seeds)
    found = dict(zip(seeds, policy.search(), strict=True))
    searches: dict[int, Search] = dict(zip(seeds, policy.searches, strict=True))
    fresh = runs(found, STATIONARY)
    used = metrics(found, SHIFTED, "anytime_performance")
    edge = cliffs(found)
    best = {s: sorted(searches[s].tried, key=lambda trial: -trial[1])[:BEST_TRIALS] for s in seeds}
    of_trials = [
        metrics(
            {s: space.named(space.from_log10(best[s][place][0])) for s in seeds},
            SHIFTED,
            "anytime_performance",
        )
        for place in range(min(map(len, best.values())))
    ]
    return [
        {
            "method": name,
            "seed": seed,
            "selected": next(
                score
                for logs, score in searches[seed].tried
                if (logs == searches[seed].found).all()
            ),
            "held_out": as_selected(method, fresh[seed], num_epochs),
            "stationary": (fresh[seed].summary or {})["anytime_performance"],
            "shifted": used[seed],
            "hindsight": max(used[seed], *(of_trial[seed] for of_trial in of_trials)),
            "cliff": edge[seed],
            "learning_rate": found[seed]["learning_rate"],
        }
        for seed in seeds
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the records of all searches."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to N - 1")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    options = parser.parse_args(arguments)
    seeds = range(options.seeds)
    env: Any = gymnasium.make(STATIONARY)
    (initial,) = env.unwrapped.episodes.task.initial
    records: list[dict[str, Any]] = [
        {"method": "fixed", "seed": seed, "cliff": cliff, "learning_rate": initial["learning_rate"]}
        for seed, cliff in cliffs(dict.fromkeys(seeds, initial)).items()
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.methods:
        records += followed(name, seeds)
        (options.out / FILE).write_text(json.dumps(records, indent=1), encoding="utf-8")
        print(f"{name}: {len(seeds)} searches followed", flush=True)


if __name__ == "__main__":
    main()
