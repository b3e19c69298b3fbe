"""Adds seeds until there is a verdict between two controllers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from atn_gym.config import ControllerConfig, ExperimentConfig
from atn_gym.errors import InvalidArgument, check_positive_integer
from atn_gym.eval.metrics.verdict import Comparison, Verdict
from atn_gym.eval.report.verdicts import compare_stored
from atn_gym.eval.running.experiment import Outcome, run_experiment
from atn_gym.eval.running.run_config import controller_config
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.names import label_of, name_variants
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
    **comparison: Any,
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
        **comparison: Further arguments of `compare_stored`: metric, margin, confidence.

    Yields:
        The comparison after every batch.

    Raises:
        InvalidArgument: If the experiment does not have one of the controllers, a run fails,
            or an argument breaks its requirement.
    """
    check_positive_integer("batch", batch)
    check_positive_integer("at_most", at_most)
    controllers = [_named(config, name) for name in (first, second)]
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
        found = compare_stored(store.root, first, second, envs=envs, seeds=seeds, **comparison)
        yield found
        if found.verdict != Verdict.UNDECIDED or len(seeds) >= at_most:
            return
        last = max(seeds)
        seeds = [*seeds, *range(last + 1, last + 1 + min(batch, at_most - len(seeds)))]


def _named(config: ExperimentConfig, name: str) -> ControllerConfig:
    resolved = [controller_config(controller) for controller in config.controllers]
    by_key = dict(zip(map(run_key, resolved), config.controllers, strict=True))
    labels = {key: controller.label for key, controller in by_key.items() if controller.label}
    variants = name_variants(resolved, "name", labels)
    label = label_of(f"controller of experiment {config.experiment}", name, variants.values())
    return next(by_key[key] for key, variant in variants.items() if variant.label == label)
