"""The index of an experiment's results: runs by env, controller and seed.

Statistics over several envs or controllers need every controller on every env with the
same seeds. `ResultIndex.block` finds the runs for which this holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mode

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray, IntArray
from atn_gym.eval.metrics.adaptation_score import REACTIVE_ORACLE
from atn_gym.eval.report.largest_block import largest_block
from atn_gym.eval.storage.names import Variant, name_variants
from atn_gym.eval.storage.runs import StoredFailure, StoredRun, distinct_variants

BASELINE = "fixed"
"""The controller that does nothing, with which others are compared."""
YOKED = "yoked"
"""The method that gives a run what another method chose in another run."""
REFERENCES = (REACTIVE_ORACLE, "lookahead_oracle", "greedy_optimal", "optimal", YOKED)
"""Controllers that see what others must not, and controls: shown, but not ranked among them."""
_SEEDS = re.compile(r"\b(the runs?) with seeds? \d+(?:, \d+)*(?: and \d+)?")


@dataclass(frozen=True, eq=False)
class Block:
    """Runs of every controller on every env with every seed.

    Args:
        controllers: Labels, axis 0 of all arrays.
        envs: Labels, axis 1.
        seeds: Seeds, axis 2.
        runs: Run of each (controller, env, seed).
    """

    controllers: tuple[str, ...]
    envs: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: dict[tuple[str, str, int], StoredRun]

    def values(self, metric: str) -> FloatArray:
        """A metric of every run, NaN where there is none: (controllers, envs, seeds)."""
        table = next(iter(self.runs.values())).table
        return table.metric(metric)[self._rows]

    @cached_property
    def _rows(self) -> IntArray:
        """Rows of the runs in their table: (controllers, envs, seeds)."""
        return np.array(
            [
                [[self.runs[c, e, s].row for s in self.seeds] for e in self.envs]
                for c in self.controllers
            ]
        )

    def beginnings(self) -> NDArray[np.int64]:
        """Which initial set of its task each run has: (envs, seeds), 0 where none is stored."""
        (controller, *_) = self.controllers
        return np.array(
            [[beginning_of(self.runs[controller, e, s]) for s in self.seeds] for e in self.envs]
        )

    def describe_beginnings(self, env: str) -> list[str]:
        """Initial values of each beginning of an env, in the order of the strata."""
        rates: dict[int, list[float]] = {}
        for run in self.runs_of(env):
            initial = run.metric("initial_hyperparameters.learning_rate")
            if np.isfinite(initial):
                rates.setdefault(beginning_of(run), []).append(initial)
        # The most frequent one: a search before the run sets initial values of its own.
        return [f"learning rate {mode(rates[beginning]):g}" for beginning in sorted(rates)]

    def runs_of(self, env: str) -> list[StoredRun]:
        """The runs of the block on an env."""
        return [self.runs[c, env, s] for c in self.controllers for s in self.seeds]

    def selected(self) -> list[StoredRun]:
        """All runs of the block."""
        return [run for env in self.envs for run in self.runs_of(env)]


class ResultIndex:
    """The runs of an experiment by env, controller and seed.

    Args:
        runs: At least one.
        labels: What some controllers are called, by the `run_key` of their configs.
        failures: Runs that failed, of these or of other envs and controllers.

    Attributes:
        envs: All envs, by label.
        controllers: All controllers, by label.
        seeds: All seeds.
        labels: Label of each controller, by the `run_key` of its config.
        runs: The run of each (controller, env, seed), where there is one.
        superseded: Lines on runs that were left out because another stands in their place.
        failed: Lines on runs that failed, with the reason.
    """

    def __init__(
        self,
        runs: Sequence[StoredRun],
        labels: Mapping[str, str] | None = None,
        failures: Sequence[StoredFailure] = (),
    ) -> None:
        everything: list[StoredRun | StoredFailure] = [*runs, *failures]
        envs = name_variants(distinct_variants(everything, "env"), "id", {})
        controllers = name_variants(
            distinct_variants(everything, "controller"), "name", labels or {}
        )
        self.labels = {key: variant.label for key, variant in controllers.items()}
        self.failed = _failure_lines(failures, envs, controllers)
        self.envs = _variants_of(runs, "env", envs)
        self.controllers = _variants_of(runs, "controller", controllers)
        self.runs: dict[tuple[str, str, int], StoredRun] = {}
        self.superseded: list[str] = []
        # A run may be stored twice: with its twin, which the shock cost needs, and without.
        for run in sorted(runs, key=lambda run: not run.has_twin):
            controller = controllers[run.variant_key("controller")].label
            place = controller, envs[run.variant_key("env")].label, run.seed
            if place in self.runs:
                self.superseded.append(f"{run.key}: {self.runs[place].key} is the same run")
            else:
                self.runs[place] = run
        self.seeds = sorted({run.seed for run in runs})

    @cached_property
    def baseline(self) -> str | None:
        """Label of the controller that does nothing; None if it has no runs."""
        return next((c.label for c in self.controllers if c.name == BASELINE), None)

    @cached_property
    def references(self) -> list[str]:
        """Labels of the controllers that are not contenders."""
        return [c.label for c in self.controllers if c.name in REFERENCES]

    def of_name(self, name: str, controllers: Sequence[str]) -> str | None:
        """Which of some controllers is the one of a name, if one is.

        Of several it is the one with default arguments, or else the first.
        """
        found = [c for c in self.controllers if c.name == name and c.label in controllers]
        if len(found) > 1:
            # Imported here because it loads torch, which other reports do without.
            from atn_gym.agents.registry import controller_arguments

            default = controller_arguments(name, {})
            found.sort(key=lambda c: {k: c.arguments.get(k) for k in default} != default)
        return found[0].label if found else None

    def yoked_to(self, label: str, controllers: Sequence[str]) -> str | None:
        """Which of some controllers is the yoked control of one, if one is."""
        for control in self.controllers:
            if control.name == YOKED and control.label in controllers:
                given = control.arguments.get("arguments") or {}
                named = [c for c in self.controllers if c.name == control.arguments.get("method")]
                with_them = [
                    c.label
                    for c in named
                    if all(c.arguments.get(name) == value for name, value in given.items())
                ]
                if len(with_them) > 1 and not given:
                    with_them = [self.of_name(named[0].name, with_them) or ""]
                if with_them == [label]:
                    return control.label
        return None

    def of_pair(self, controller: str, env: str) -> list[StoredRun]:
        """Runs of a controller on an env, in the order of their seeds."""
        found = (self.runs.get((controller, env, seed)) for seed in self.seeds)
        return [run for run in found if run is not None]

    def of_env(self, env: str) -> list[StoredRun]:
        """Runs of all controllers on an env."""
        return [run for (_, of, _), run in self.runs.items() if of == env]

    def block(self, controllers: Sequence[str] = (), env: str | None = None) -> Block:
        """The largest set of runs with every controller on every env with every seed.

        `largest_block` says which is the largest.

        Args:
            controllers: Labels of those to consider; all if empty.
            env: Label of the only env to consider; all if None.
        """
        controllers = controllers or [c.label for c in self.controllers]
        envs = [e.label for e in self.envs] if env is None else [env]
        exists = [[[(c, e, s) in self.runs for s in self.seeds] for e in envs] for c in controllers]
        in_block = largest_block(np.array(exists))
        return Block(
            tuple(controllers[c] for c in in_block[0]),
            tuple(envs[e] for e in in_block[1]),
            tuple(self.seeds[s] for s in in_block[2]),
            self.runs,
        )

    def unpaired(self, block: Block) -> list[Block]:
        """A block for each controller with runs on the env of a block but not in that block."""
        (env,) = block.envs
        others = [c.label for c in self.controllers if c.label not in block.controllers]
        seeds = {c: tuple(run.seed for run in self.of_pair(c, env)) for c in others}
        return [Block((c,), (env,), seeds[c], self.runs) for c in others if seeds[c]]

    def left_out(self, block: Block) -> list[str]:
        """Names the controllers, envs and seeds that a block over all envs leaves out."""
        lost = {
            "controllers": [c.label for c in self.controllers if c.label not in block.controllers],
            "envs": [e.label for e in self.envs if e.label not in block.envs],
            "seeds": [str(seed) for seed in self.seeds if seed not in block.seeds],
        }
        return [f"{kind} {', '.join(names)}" for kind, names in lost.items() if names]

    def missing(self) -> list[str]:
        """Names the runs that are missing for every controller to have every env and seed."""
        lacking: dict[str, list[str]] = {}
        for env in self.envs:
            for controller in self.controllers:
                have = {run.seed for run in self.of_pair(controller.label, env.label)}
                lost = [str(seed) for seed in self.seeds if seed not in have]
                if lost:
                    which = f"seed {', '.join(lost)}" if have else "all seeds"
                    lacking.setdefault(f"{env.label}, {which}", []).append(controller.label)
        return [f"{what}: {', '.join(controllers)}" for what, controllers in lacking.items()]


def beginning_of(run: StoredRun) -> int:
    """Which set of initial values of its task a run has; older versions did not store it."""
    beginning = run.metric("beginning")
    return int(beginning) if np.isfinite(beginning) else 0


def _variants_of(
    runs: Sequence[StoredRun], what: str, variants: Mapping[str, Variant]
) -> list[Variant]:
    """Envs or controllers of some runs, by their labels."""
    found = [variants[key] for key in {run.variant_key(what) for run in runs}]
    return sorted({v.label: v for v in found}.values(), key=lambda variant: variant.label)


def _failure_lines(
    failures: Sequence[StoredFailure],
    envs: Mapping[str, Variant],
    controllers: Mapping[str, Variant],
) -> list[str]:
    """A line for all seeds of an env and a controller that failed for the same reason.

    A reason ends with the seed of its run, or with the seeds of all runs lost with it. The
    line names them at its beginning instead.
    """
    seeds: dict[tuple[str, str, str], set[int]] = {}
    for failure in failures:
        env = envs[failure.variant_key("env")].label
        controller = controllers[failure.variant_key("controller")].label
        reason = _SEEDS.sub(r"\1", failure.reason)
        seeds.setdefault((env, controller, reason), set()).add(failure.seed)
    return [
        f"{env}, {controller}, seed {', '.join(map(str, sorted(same)))}: {reason}"
        for (env, controller, reason), same in sorted(seeds.items())
    ]
