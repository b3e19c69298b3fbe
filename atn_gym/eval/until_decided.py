"""Adds seeds until there is a verdict between two controllers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from atn_gym.config import ExperimentConfig
from atn_gym.errors import InvalidArgument, check_positive_integer
from atn_gym.eval.metrics.verdict import Comparison, Verdict
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.report.verdicts import compare_indexed
from atn_gym.eval.running.experiment import Outcome, run_experiment
from atn_gym.eval.running.run_config import controller_config
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.names import label_of, name_variants
from atn_gym.eval.storage.selection import Selection, select
from atn_gym.eval.storage.store import ResultStore

MakeRuns = Callable[[ExperimentConfig, ResultStore], list[Outcome]]


def until_decided(
    config: ExperimentConfig,
    store: ResultStore,
    first: str,
    second: str,
    *,
    batch: int = 20,
    at_most: int = 400,
    make_runs: MakeRuns = run_experiment,
    **how: Any,
) -> Iterator[Comparison]:
    """Makes runs of two controllers, batch by batch, until the verdict is decided.

    The verdict may be looked at after every batch: its interval holds for all numbers of seeds
    at once.

    Args:
        config: An experiment that has both controllers. Its seeds are the first batch, and the
            integers after the largest of them follow.
        store: Where results are read and written.
        first: Label or name of a controller.
        second: Of the other.
        batch: Seeds of a further batch, >= 1.
        at_most: Number of seeds at which it gives up, >= 2.
        make_runs: Makes the runs of an experiment that the store does not hold yet.
        **how: Further arguments of `compare_indexed`: metric, margin, confidence.

    Yields:
        The comparison after every batch.

    Raises:
        InvalidArgument: If the experiment does not have one of the controllers, a run fails,
            or an argument breaks its requirement.
    """
    check_positive_integer("batch", batch)
    check_positive_integer("at_most", at_most)
    keys = [_key_of(config, name) for name in (first, second)]
    controllers = [c for c in config.controllers if run_key(controller_config(c)) in keys]
    envs = sorted({env.id for env in config.envs})
    seeds = config.seeds[:at_most]
    while True:
        update = {"controllers": controllers, "seeds": seeds}
        outcomes = make_runs(config.model_copy(update=update), store)
        for outcome in outcomes:
            for seed, reason in outcome.failures.items():
                raise InvalidArgument(
                    f"{outcome.controller.shown} failed on {outcome.env.id}, seed {seed}: "
                    f"{reason}; a verdict needs every run"
                )
        stored = select(read_experiment(store.root), Selection(envs=envs, seeds=seeds))
        index = ResultIndex(stored.runs, stored.labels)
        found = compare_indexed(index, *(index.labels[key] for key in keys), **how)
        yield found
        if found.verdict != Verdict.UNDECIDED or len(seeds) >= at_most:
            return
        last = max(seeds)
        seeds = [*seeds, *range(last + 1, last + 1 + min(batch, at_most - len(seeds)))]


def _key_of(config: ExperimentConfig, name: str) -> str:
    """`run_key` of the controller that goes by a name."""
    resolved = {
        run_key(of): (of, c.label) for c in config.controllers for of in [controller_config(c)]
    }
    labels = {key: label for key, (_, label) in resolved.items() if label}
    variants = name_variants([of for of, _ in resolved.values()], "name", labels)
    label = label_of(f"controller of experiment {config.experiment}", name, variants.values())
    return next(key for key, variant in variants.items() if variant.label == label)
