"""Scores a submission on salted seeds, until its verdicts are decided."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from atn_gym import RESULTS_VERSION
from atn_gym.arrays import FloatArray
from atn_gym.config import ControllerConfig, EnvConfig, ExperimentConfig
from atn_gym.errors import InvalidArgument
from atn_gym.eval.metrics.adaptation_score import BLIND
from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import Estimate, bootstrap, exact_rate
from atn_gym.eval.metrics.strata import stratify
from atn_gym.eval.metrics.verdict import Comparison, Verdict, compare_scores
from atn_gym.eval.running.experiment import Outcome, run_experiment
from atn_gym.eval.storage.provenance import make_provenance
from atn_gym.eval.storage.store import ResultStore
from atn_gym.leaderboard.protocol import (
    BASELINE,
    BATCH,
    ENVS,
    FIRST_SEEDS,
    MOST_SEEDS,
    salt_digest,
    salted_seeds,
    scale,
)
from atn_gym.leaderboard.submission import Submission

MakeRuns = Callable[[ExperimentConfig, ResultStore], list[Outcome]]


@dataclass(frozen=True)
class Scores:
    """Runs of one controller on all envs and seeds so far.

    Args:
        outcomes: One for each env, in their order.
    """

    outcomes: list[Outcome]

    def strata(self, metric: str) -> FloatArray:
        """A metric, shape (num_strata, num_seeds)."""
        of_envs = [outcome.summaries for outcome in self.outcomes]
        values = np.array([[float(s[metric]) for s in of_env] for of_env in of_envs])
        return stratify(values, np.array([[s["beginning"] or 0 for s in e] for e in of_envs]))


def check(
    submission: Submission,
    store: ResultStore,
    salt: str,
    *,
    envs: tuple[str, ...] = ENVS,
    at_most: int = MOST_SEEDS,
    make_runs: MakeRuns = run_experiment,
    say: Callable[[Comparison], None] = lambda comparison: None,
) -> dict[str, Any]:
    """Scores a submission against `blind` and the baseline, batch by batch.

    Args:
        submission: What to score.
        store: Where runs are read and written; runs that are there are not made again.
        salt: Decides the seeds, see `salted_seeds`.
        envs: Ids of the envs.
        at_most: Seeds at which it gives up.
        make_runs: Makes the runs that the store does not hold yet.
        say: Called with the comparisons after every batch.

    Returns:
        The entry of the leaderboard: plain values.

    Raises:
        InvalidArgument: If a run fails or breaks a rule, or the salt is too short.
    """
    began = datetime.datetime.now(datetime.UTC)
    if at_most < FIRST_SEEDS:
        raise InvalidArgument(f"at_most must be {FIRST_SEEDS} or more seeds, got {at_most}")
    seeds = salted_seeds(salt, at_most)
    others = [name for name in (BLIND, BASELINE) if name != submission.name]
    controllers = [submission.controller, *(ControllerConfig(name=name) for name in others)]
    runs: dict[str, Scores] = {}
    for number in range(FIRST_SEEDS, at_most + 1, BATCH):
        runs = {c.shown: _made(c, envs, seeds[:number], store, make_runs) for c in controllers}
        found = [_compared(submission.name, other, runs) for other in others]
        for comparison in found:
            say(comparison)
        if all(comparison.verdict != Verdict.UNDECIDED for comparison in found):
            break
    return {
        **submission.model_dump(),
        "envs": list(envs),
        "seeds": number,
        "at_most": at_most,
        "salt_digest": salt_digest(salt),
        "date": began.date().isoformat(),
        "seconds": round((datetime.datetime.now(datetime.UTC) - began).total_seconds()),
        "versions": {"results": RESULTS_VERSION, **make_provenance(1, {})["packages"]},
        **_measured(runs, submission.name),
        "against": {
            c.second: {"verdict": str(c.verdict), "difference": _plain(c.difference)} for c in found
        },
    }


def _made(
    controller: ControllerConfig,
    envs: tuple[str, ...],
    seeds: list[int],
    store: ResultStore,
    make_runs: MakeRuns,
) -> Scores:
    config = ExperimentConfig(
        experiment="leaderboard",
        envs=[EnvConfig(id=env) for env in envs],
        controllers=[controller],
        seeds=seeds,
        twins=False,
    )
    outcomes = make_runs(config, store)
    for outcome in outcomes:
        for seed, reason in outcome.failures.items():
            raise InvalidArgument(
                f"{controller.shown} must complete every run, but it failed on {outcome.env.id}, "
                f"seed {seed}: {reason}"
            )
    return Scores(outcomes)


def _compared(name: str, other: str, runs: dict[str, Scores]) -> Comparison:
    scores, others = (runs[of].strata("anytime_performance") for of in (name, other))
    return compare_scores(name, other, scores, others)


def _measured(runs: dict[str, Scores], name: str) -> dict[str, Any]:
    """The numbers of an entry: estimates as [value, low, high]."""
    rng = np.random.default_rng(0)
    scores = runs[name]
    collapsed = scores.strata("collapsed")
    gained = scores.strata("anytime_performance") - runs[BLIND].strata("anytime_performance")
    to_win = float(np.mean(list(scale().values())))
    making = {s["making_runs"] for outcome in scores.outcomes for s in outcome.summaries}
    return {
        "adaptation_score": _plain(bootstrap(gained / to_win, mean, rng)),
        "anytime_performance": _plain(bootstrap(scores.strata("anytime_performance"), mean, rng)),
        "compute_adjusted_performance": _plain(
            bootstrap(scores.strata("compute_adjusted_performance"), mean, rng)
        ),
        "collapse_rate": _plain(exact_rate(collapsed)),
        "collapsed": [int(np.nansum(collapsed)), int(np.isfinite(collapsed).sum())],
        "charged_runs": round(
            float(mean(scores.strata("flops")) / mean(scores.strata("run_flops"))), 3
        ),
        "making_runs": making.pop() if len(making) == 1 else None,
    }


def _plain(estimate: Estimate) -> list[float]:
    return [round(float(value), 4) for value in estimate]
