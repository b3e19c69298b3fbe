"""The tables of a report: what each column is, and the numbers in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atn_gym.eval.document import NONE, Cell, Table, count, number, seed_count
from atn_gym.eval.report_cells import extent, interval, interval_note, means, rows, spread, total
from atn_gym.eval.standing import ANYTIME, HEADLINE, Standing
from atn_gym.eval.statistics import seed_std, worst_decile

FloatArray = NDArray[np.float64]


def headline_table(standing: Standing) -> Table:
    """A row for each controller over all envs, by compute-adjusted performance."""
    block = standing.block
    normalised, ranks = standing.normalised_over_envs(), standing.mean_ranks()
    improvement = standing.improvement()
    worst = worst_decile(block.values(ANYTIME))
    runs = len(block.envs) * len(block.seeds)

    def cells(c: int) -> tuple[Cell | str, ...]:
        return (
            interval(standing.adjusted, c),
            interval(standing.anytime, c),
            number(normalised[c], 2),
            number(ranks[c], 1),
            NONE
            if c == standing.baseline or standing.is_reference[c]
            else number(improvement[c], 2),
            number(worst[c]),
            total(block.values("diverged")[c]),
            number(means(block.values("rollback_count"))[c], 1),
            number(means(block.values("restarts"))[c], 1),
        )

    return Table(
        f"All envs: {extent(standing)}, {count(runs, 'run')} a controller",
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
        rows(standing, cells),
        f"{interval_note(standing)} Anytime performance is the mean of the default reward over "
        "the budget, in [-1, 1]; compute-adjusted performance, in [0, 1], is its share of the "
        "best, times the share of the flops charged that the scored run took. Normalised score, "
        "the interquartile mean over envs: 0 is fixed, 1 is lookahead_oracle. Mean rank, and the "
        "probability of a run better than one of fixed on the same env, are by compute-adjusted "
        "performance; worst decile is the mean anytime performance of the worst tenth of the "
        "seeds.",
    )


def env_table(standing: Standing, env: str) -> Table:
    """A row for each controller on one env: mean and standard deviation over the seeds."""
    block = standing.block
    normalised = standing.normalised()[:, 0]

    def cells(c: int) -> tuple[Cell | str, ...]:
        difference = standing.against_baseline(c)
        return (
            spread(block.values(HEADLINE)[c]),
            spread(block.values(ANYTIME)[c]),
            NONE if c == standing.baseline else interval(difference),
            number(normalised[c], 2),
            spread(block.values("final_val_loss")[c]),
            spread(100 * block.values("final_val_accuracy")[c], 1),
            spread(100 * block.values("test_accuracy")[c], 1),
            total(block.values("diverged")[c]),
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
        rows(standing, cells),
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
            total(block.values("diverged")[c]),
            total(block.values("collapsed")[c]),
            number(means(block.values("divergence_events"))[c], 2),
            number(means(block.values("loss_spikes"))[c], 2),
            number(means(block.values("rollback_count"))[c], 2),
            number(deviation(ANYTIME, c)),
            number(deviation("mean_val_loss", c)),
            number(100 * deviation("final_val_accuracy", c), 2),
            number(worst[c]),
        )

    return Table(
        f"Stability over all envs: {extent(standing)}",
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
        rows(standing, cells),
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
        return number(scale * means(block.values(metric))[c], digits)

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
        f"Adaptation over all envs: {extent(standing)}",
        (
            "controller",
            "update magnitude (decades / epoch)",
            "epochs with a change (%)",
            "false alarms (% of epochs before the shock)",
            "recovered (% of runs with a shock)",
            f"recovery time, restricted mean (epochs{horizon})",
            "shock cost (nats / epoch)",
        ),
        rows(standing, cells),
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
        return number(means(block.values(metric))[c], digits)

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
        f"Compute, means per run over all envs: {extent(standing)}",
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
        rows(standing, cells),
        "All that was spent is charged, search and lookahead included; flops are relative to those "
        "of one whole run. Wall-clock times depend on the machine and on what else ran on it; "
        "runs that were trained together share theirs evenly.",
    )
