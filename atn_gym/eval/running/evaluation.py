"""What an evaluation of a policy found, and the comparison of two."""

from __future__ import annotations

import html
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.errors import InvalidArgument, unknown_name
from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import bootstrap
from atn_gym.eval.metrics.headings import HEADINGS
from atn_gym.eval.metrics.strata import has_spread, stratify
from atn_gym.eval.metrics.verdict import Comparison, compare_scores
from atn_gym.eval.running.batch import EvaluatedRun

_SHOWN = ("compute_adjusted_performance", "anytime_performance", "final_val_accuracy")


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What `evaluate` found.

    Args:
        env_id: The env.
        env_arguments: Further arguments of the env.
        policy: What the policy is called.
        runs: Every run, in the order of the seeds.
    """

    env_id: str
    env_arguments: dict[str, Any]
    policy: str
    runs: list[EvaluatedRun]

    @property
    def summaries(self) -> list[dict[str, Any]]:
        """Metrics of every run that did not fail."""
        return [run.summary for run in self.runs if run.summary is not None]

    @property
    def failures(self) -> dict[int, str]:
        """Why a run failed, by seed."""
        return {run.seed: run.error for run in self.runs if run.error is not None}

    def values(self, metric: str) -> FloatArray:
        """A metric of every run that did not fail, shape (num_runs,).

        Raises:
            InvalidArgument: If there is no such metric, it is undefined in some run, or every
                run failed.
        """
        if not self.summaries:
            reason = next(iter(self.failures.values()), "there are none")
            raise InvalidArgument(f"a metric needs a run that did not fail, but all did: {reason}")
        for summary in self.summaries:
            if metric not in summary:
                raise unknown_name("metric", metric, summary)
        values = [summary[metric] for summary in self.summaries]
        if not all(isinstance(v, (int, float)) for v in values):
            raise InvalidArgument(
                f"metric {metric!r} must have a number in every run, got {values}"
            )
        return np.array(values, dtype=np.float64)

    def strata(self, metric: str) -> FloatArray:
        """A metric by set of initial values, see `atn_gym.eval.metrics.strata`."""
        beginnings = np.array([[s.get("beginning") or 0 for s in self.summaries]])
        return stratify(self.values(metric)[None], beginnings)

    def mean(self, metric: str) -> float:
        """Mean of a metric over the runs that did not fail.

        Each set of initial values counts the same, as in a report.

        Raises:
            InvalidArgument: As `values`.
        """
        return float(mean(self.strata(metric)))

    def interval(self, metric: str, confidence: float = 0.95) -> tuple[float, float]:
        """Bootstrap interval of `mean` over seeds.

        Below 20 seeds it may be too narrow.

        Args:
            metric: Name of a metric.
            confidence: Nominal coverage, in (0, 1).

        Raises:
            InvalidArgument: As `values`, or if there are fewer than two seeds of some set of
                initial values.
        """
        scores = self.strata(metric)
        if not has_spread(scores):
            raise InvalidArgument(
                "an interval needs two seeds for each set of initial values: evaluate more seeds"
            )
        found = bootstrap(scores, mean, np.random.default_rng(0), confidence=confidence)
        return float(found.low), float(found.high)

    def __repr__(self) -> str:
        """One line: who, where, how many, and how well."""
        return f"Evaluation({self.policy} on {self.env_id}, {', '.join(self._facts())})"

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        rows = "".join(f"<tr><td>{html.escape(fact)}</td></tr>" for fact in self._facts())
        title = html.escape(f"{self.policy} on {self.env_id}")
        return f"<table><thead><tr><th>{title}</th></tr></thead><tbody>{rows}</tbody></table>"

    def _facts(self) -> list[str]:
        facts = [f"{len(self.runs)} seeds" if len(self.runs) != 1 else "1 seed"]
        if self.failures:
            facts.append(f"{len(self.failures)} failed")
        if not self.summaries:
            return facts
        for metric in _SHOWN:
            text = HEADINGS[metric].number(self.mean(metric))
            if has_spread(self.strata(metric)):
                low, high = (HEADINGS[metric].number(v) for v in self.interval(metric))
                text = f"{text} [{low}, {high}]"
            facts.append(f"{HEADINGS[metric].text} {text}")
        return facts


def compare(
    evaluations: Sequence[Evaluation],
    metric: str = "anytime_performance",
    margin: float = 0.01,
    confidence: float = 0.95,
) -> list[Comparison]:
    """Compares evaluations of one env, each with each, paired by seed.

    The verdicts stay valid when you look, add seeds and look again. They hold together with the
    confidence given: each of n pairs is held to 1 - (1 - confidence) / n.

    Args:
        evaluations: Two or more evaluations of the same env with the same seeds.
        metric: Name of a metric; more is better.
        margin: Largest difference that does not matter, > 0.
        confidence: Of all verdicts together, in (0, 1).

    Returns:
        A comparison of each pair, in the order given. Below 20 seeds every verdict is
        "undecided".

    Raises:
        InvalidArgument: If there are fewer than two evaluations, or envs or seeds differ.

    Example:
        >>> import atn_gym
        >>> env = "atn_gym/DigitsCnn-DataShift-v0"
        >>> fixed, step = (
        ...     atn_gym.evaluate(name, env, seeds=2, num_epochs=2) for name in ("fixed", "step")
        ... )
        >>> print(atn_gym.compare([fixed, step])[0].verdict)
        undecided
    """
    if len(evaluations) < 2:
        raise InvalidArgument(
            f"a comparison needs at least two evaluations, got {len(evaluations)}"
        )
    pairs = list(itertools.combinations(evaluations, 2))
    each = 1 - (1 - confidence) / len(pairs)
    return [_compare(first, second, metric, margin, each) for first, second in pairs]


def _compare(
    first: Evaluation, second: Evaluation, metric: str, margin: float, confidence: float
) -> Comparison:
    names = f"{first.policy} and {second.policy}"
    envs = [(evaluation.env_id, evaluation.env_arguments) for evaluation in (first, second)]
    if envs[0] != envs[1]:
        raise InvalidArgument(
            f"evaluations must be of one env, but {names} are of {envs[0]} and {envs[1]}"
        )
    seeds, other = (
        [run.seed for run in evaluation.runs if run.summary is not None]
        for evaluation in (first, second)
    )
    if seeds != other:
        raise InvalidArgument(
            f"evaluations must have the same seeds, none of them failed, but {names} have "
            f"{seeds} and {other}"
        )
    return compare_scores(
        first.policy,
        second.policy,
        first.strata(metric),
        second.strata(metric),
        margin=margin,
        confidence=confidence,
    )
