"""Which of the stored runs are shown: the current source of every controller, unless asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from atn_gym.errors import InvalidArgument, unknown_name
from atn_gym.eval.storage.experiment import StoredExperiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.labels import DIGESTS, contender_key
from atn_gym.eval.storage.names import Variant, labels_of, name_variants
from atn_gym.eval.storage.runs import StoredFailure, StoredRun, distinct_variants

_Stored = StoredRun | StoredFailure


@dataclass(frozen=True)
class Selection:
    """Which runs to show.

    Args:
        controllers: Their controllers, by label or name; all if empty.
        envs: Their envs, by label or id; all if empty.
        seeds: Their seeds; all if empty.
        earlier_sources: Whether runs of a controller whose files have changed since are kept.
    """

    controllers: Sequence[str] = ()
    envs: Sequence[str] = ()
    seeds: Sequence[int] = ()
    earlier_sources: bool = False


CURRENT = Selection()
"""Every run of the current source of its controller."""


def select(stored: StoredExperiment, selection: Selection = CURRENT) -> StoredExperiment:
    """Keeps the runs and failures that are to be shown.

    Args:
        stored: An experiment.
        selection: Which of it.

    Returns:
        The same experiment with only those. `stale` names the controllers that were left out
        because the last command that had them ran another version of their files.

    Raises:
        InvalidArgument: If there is no run of a controller, env or seed that is asked for.
    """
    stale: dict[str, str] = {}
    if not selection.earlier_sources:
        stored, stale = _current(stored)
    everything: list[_Stored] = [*stored.runs, *stored.failures]
    controllers = name_variants(distinct_variants(everything, "controller"), "name", stored.labels)
    envs = name_variants(distinct_variants(everything, "env"), "id", {})
    chosen = {
        "controller": _chosen("controller", selection.controllers, controllers),
        "env": _chosen("env", selection.envs, envs),
    }
    seeds = _chosen_seeds(selection.seeds, everything)

    def is_shown(run: _Stored) -> bool:
        variants = all(run.variant_key(of) in keys for of, keys in chosen.items())
        return variants and run.seed in seeds

    runs = [run for run in stored.runs if is_shown(run)]
    if not runs:
        raise InvalidArgument(
            "no complete run is of the controllers, envs and seeds that were asked for: ask for "
            "fewer at once"
        )
    failures = [failure for failure in stored.failures if is_shown(failure)]
    return replace(stored, runs=runs, failures=failures, stale=list(stale.values()))


def _current(stored: StoredExperiment) -> tuple[StoredExperiment, dict[str, str]]:
    """Without the runs of earlier sources, and a line on each of these, by its key.

    A controller of whose current source no run is complete keeps the earlier ones.
    """
    complete = {run_key(config): config for config in distinct_variants(stored.runs, "controller")}
    failed = {run_key(c): c for c in distinct_variants(stored.failures, "controller")}
    stale = set()
    for key, config in (complete | failed).items():
        current = stored.current.get(contender_key(config))
        if current in complete and current != key:
            stale.add(key)
    kept = replace(
        stored,
        runs=[run for run in stored.runs if run.variant_key("controller") not in stale],
        failures=[f for f in stored.failures if f.variant_key("controller") not in stale],
    )
    return kept, {key: _stale(complete[key]) for key in stale & complete.keys()}


def _stale(controller: Mapping[str, Any]) -> str:
    digests = [controller.get(name) for name in DIGESTS]
    version = " and ".join(str(digest) for digest in digests if digest is not None)
    return f"{controller['name']} of version {version}: its files have changed since"


def _chosen(what: str, wanted: Sequence[str], variants: Mapping[str, Variant]) -> set[str]:
    """Keys of the configs that go by one of some names."""
    if not wanted:
        return set(variants)
    labels = {label for name in wanted for label in labels_of(what, name, variants.values())}
    return {key for key, variant in variants.items() if variant.label in labels}


def _chosen_seeds(wanted: Sequence[int], runs: Iterable[_Stored]) -> set[int]:
    seeds: set[int] = {run.seed for run in runs}
    for seed in wanted:
        if seed not in seeds:
            raise unknown_name("seed", seed, [str(known) for known in sorted(seeds)])
    return set(wanted) or seeds
