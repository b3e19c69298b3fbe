"""The tables of a report: what each column is, and the numbers in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from atn_gym.eval.document import NONE, Cell, Row, Table, count, estimate, number, row, seed_count
from atn_gym.eval.intervals import Estimate
from atn_gym.eval.standing import ANYTIME, HEADLINE, Standing, mean_of_known
from atn_gym.eval.statistics import seed_std, worst_decile

FloatArray = NDArray[np.float64]

_PER_RUN = (-2, -1)


def headline_table(standing: Standing) -> Table:
    """A row for each controller over all envs, by compute-adjusted performance."""
    block = standing.block
    normalised, ranks = standing.normalised_over_envs(), standing.mean_ranks()
    improvement = standing.improvement()
    worst = worst_decile(block.values(ANYTIME))
    runs = len(block.envs) * len(block.seeds)

    def cells(c: int) -> tuple[Cell | str, ...]:
        return (
            _interval(standing.adjusted, c),
            _interval(standing.anytime, c),
            number(normalised[c], 2),
            number(ranks[c], 1),
            NONE
            if c == standing.baseline or standing.is_reference[c]
            else number(improvement[c], 2),
            number(worst[c]),
            _total(block.values("diverged")[c]),
            number(_means(block.values("rollback_count"))[c], 1),
            number(_means(block.values("restarts"))[c], 1),
        )

    return Table(
        f"All envs: {_extent(standing)}, {count(runs, 'run')} a controller",
        (
            "controller",
            "compute-adjusted performance",
            "anytime performance",
            "normalised score",
            "mean rank",
            "P(better than fixed)",
            "worst decile",
            "diverged runs",
            "rollbacks / run",
            "restarts / run",
        ),
        _rows(standing, cells),
        f"{interval_note(standing)} Anytime performance is the mean of the default reward over "
        "the budget, in [-1, 1]; compute-adjusted performance, in [0, 1], is its share of the "
        "best, times the share of the flops charged that the scored run took. Normalised score, "
        "the interquartile mean over envs: 0 is fixed, 1 is lookahead_oracle. Mean rank, and the "
        "probability of a run better than one of fixed on the same env, are by compute-adjusted "
        "performance; worst decile is the mean anytime performance of the worst tenth of the "
        "seeds.",
    )


def interval_note(standing: Standing) -> str:
    """Says what the intervals of a pooled table or figure are."""
    if len(standing.block.seeds) == 1:
        return "Interquartile means; a single seed has no interval."
    return "Interquartile means with 95 % stratified bootstrap intervals over seeds."


def env_table(standing: Standing, env: str) -> Table:
    """A row for each controller on one env: mean and standard deviation over the seeds."""
    block = standing.block
    normalised = standing.normalised()[:, 0]

    def cells(c: int) -> tuple[Cell | str, ...]:
        difference = standing.against_baseline(c)
        return (
            _spread(block.values(HEADLINE)[c]),
            _spread(block.values(ANYTIME)[c]),
            NONE if c == standing.baseline else _interval(difference),
            number(normalised[c], 2),
            _spread(block.values("final_val_loss")[c]),
            _spread(100 * block.values("final_val_accuracy")[c], 1),
            _spread(100 * block.values("test_accuracy")[c], 1),
            _total(block.values("diverged")[c]),
        )

    return Table(
        f"{env}: {seed_count(len(block.seeds))}",
        (
            "controller",
            "compute-adjusted",
            "anytime",
            "anytime against fixed",
            "normalised score",
            "final val. loss (nats)",
            "final val. accuracy (%)",
            "test accuracy (%)",
            "diverged runs",
        ),
        _rows(standing, cells),
        "Mean ± standard deviation over seeds. The difference to fixed is paired by seed, with a "
        "95 % bootstrap interval.",
    )


def stability_table(standing: Standing) -> Table:
    """How safely controllers ran."""
    block = standing.block
    several = len(block.seeds) > 1
    worst = worst_decile(block.values(ANYTIME))

    def deviation(metric: str, c: int) -> float:
        values = block.values(metric)[c]
        return float(seed_std(values)) if several and np.isfinite(values).all() else np.nan

    def cells(c: int) -> tuple[Cell | str, ...]:
        return (
            _total(block.values("diverged")[c]),
            _total(block.values("collapsed")[c]),
            number(_means(block.values("divergence_events"))[c], 2),
            number(_means(block.values("loss_spikes"))[c], 2),
            number(_means(block.values("rollback_count"))[c], 2),
            number(deviation(ANYTIME, c)),
            number(deviation("mean_val_loss", c)),
            number(100 * deviation("final_val_accuracy", c), 2),
            number(worst[c]),
        )

    return Table(
        f"Stability over all envs: {_extent(standing)}",
        (
            "controller",
            "diverged runs",
            "collapsed runs",
            "divergence events / run",
            "loss spikes / run",
            "rollbacks / run",
            "seed std. of anytime",
            "seed std. of mean val. loss (nats)",
            "seed std. of val. accuracy (%)",
            "worst decile of anytime",
        ),
        _rows(standing, cells),
        "A diverged run ended not finite; a collapsed one ended at chance. Loss spikes are epochs "
        "with a validation loss above 1.5 times the lowest of the five before. Standard "
        "deviations are over seeds, averaged over envs.",
    )


def adaptation_table(standing: Standing) -> Table:
    """What controllers did, and how runs took the shock."""
    block = standing.block
    recovery = standing.recovery()
    times = None if recovery is None else recovery.mean_times()
    horizon = "" if recovery is None else f", within {count(recovery.horizon, 'epoch')}"

    def mean(metric: str, c: int, digits: int, scale: float = 1) -> str:
        return number(scale * _means(block.values(metric))[c], digits)

    def cells(c: int) -> tuple[Cell | str, ...]:
        return (
            mean("update_magnitude", c, 3),
            mean("adaptation_frequency", c, 0, 100),
            mean("false_alarm_rate", c, 0, 100),
            mean("recovered", c, 0, 100),
            NONE if times is None else number(times[c], 1),
            mean("shock_cost", c, 3),
        )

    return Table(
        f"Adaptation over all envs: {_extent(standing)}",
        (
            "controller",
            "update magnitude (decades / epoch)",
            "epochs with a change (%)",
            "false alarms (% of epochs before the shock)",
            "recovered (% of runs with a shock)",
            f"recovery time, restricted mean (epochs{horizon})",
            "shock cost (nats / epoch)",
        ),
        _rows(standing, cells),
        "Recovered: validation accuracy came back within 0.02 of its best of the three epochs "
        "before the shock; a run that was never below has the time 0. Where no shock comes, "
        "every change is a false alarm. Shock cost: mean validation loss from the shock on, less "
        "that of the twin, the same run with the regime switched off; negative where the shock "
        f"did good; {NONE} where no twin was run.",
    )


def compute_table(standing: Standing) -> Table:
    """What controllers cost."""
    block = standing.block
    relative = standing.relative_flops()

    def mean(metric: str, c: int, digits: int) -> str:
        return number(_means(block.values(metric))[c], digits)

    def cells(c: int) -> tuple[Cell | str, ...]:
        return (
            mean("restarts", c, 1),
            mean("optimizer_evaluations", c, 1),
            mean("gradient_steps", c, 0),
            number(relative[c], 2),
            mean("wall_clock_s.training", c, 2),
            mean("wall_clock_s.controller", c, 3),
            mean("wall_clock_s.search", c, 2),
            mean("wall_clock_s.total", c, 2),
        )

    return Table(
        f"Compute, means per run over all envs: {_extent(standing)}",
        (
            "controller",
            "restarts",
            "optimizer evaluations",
            "gradient steps",
            "flops (whole runs)",
            "training (s)",
            "controller (s)",
            "search (s)",
            "total (s)",
        ),
        _rows(standing, cells),
        "All that was spent is charged, search and lookahead included; flops are relative to those "
        "of one whole run. Wall-clock times depend on the machine and on what else ran on it; "
        "runs that were trained together share theirs evenly.",
    )


def _extent(standing: Standing) -> str:
    block = standing.block
    return f"{count(len(block.envs), 'env')}, {seed_count(len(block.seeds))}"


def _rows(standing: Standing, cells: Callable[[int], tuple[Cell | str, ...]]) -> tuple[Row, ...]:
    return tuple(
        row(
            standing.block.controllers[c],
            *cells(c),
            is_reference=bool(standing.is_reference[c]),
        )
        for c in standing.order
    )


def _interval(found: Estimate, c: int | tuple[()] = ()) -> Cell:
    return estimate(float(found.value[c]), float(found.low[c]), float(found.high[c]))


def _means(values: FloatArray) -> FloatArray:
    return mean_of_known(values, _PER_RUN)


def _spread(values: FloatArray, digits: int = 3) -> Cell:
    """Mean and standard deviation of what is known."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Cell(NONE)
    detail = f"± {number(float(known.std(ddof=1)), digits)}" if known.size > 1 else ""
    return Cell(number(float(known.mean()), digits), detail)


def _total(values: FloatArray) -> str:
    """How many runs of those of which it is known."""
    known = values[np.isfinite(values)]
    return f"{int(known.sum())} / {known.size}" if known.size else NONE
