"""The tables of performance and compute: what each column is, and the numbers in it."""

from __future__ import annotations

from atn_gym.eval.metrics.formatting import NONE, count, number, seed_count
from atn_gym.eval.report.block_statistics import ANYTIME, HEADLINE, VAL_LOSS, Standing
from atn_gym.eval.report.cells import (
    decile_note,
    extent,
    interval,
    interval_note,
    means,
    rows,
    spread,
    total,
)
from atn_gym.eval.report.document import Cell, Table


def headline_table(standing: Standing) -> Table:
    """A row for each controller over all envs, by compute-adjusted performance."""
    block = standing.block
    adaptation, ranks, worst = standing.adaptation_score(), standing.mean_ranks(), standing.worst()
    improvement = standing.improvement()
    runs = len(block.envs) * len(block.seeds)

    def cells(c: int) -> tuple[Cell | str, ...]:
        return (
            interval(standing.adjusted, c),
            interval(standing.anytime, c),
            interval(standing.val_loss, c),
            interval(adaptation, c, 2),
            interval(ranks, c, 2),
            NONE
            if c == standing.baseline or standing.is_reference[c]
            else interval(improvement, c, 2),
            interval(worst, c),
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
            "mean val. loss (nats)",
            "adaptation score",
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
        "best, times the share of the flops charged that the scored run took; mean validation "
        f"loss, over the budget, is what online adaptation lowers. {_adaptation_note(standing)} "
        f"Mean rank among the contenders, and the probability of a run "
        "better than one of fixed on the same env, are by compute-adjusted performance. "
        f"{decile_note(standing)}",
    )


def _adaptation_note(standing: Standing) -> str:
    undefined = standing.why_no_adaptation_score()
    if undefined is not None:
        return undefined
    return (
        "Adaptation score: 0 is blind, the best schedule that does not look; 1 is the reactive "
        "oracle, what looking can win."
    )


def env_table(standing: Standing, env: str) -> Table:
    """A row for each controller on one env: mean and standard deviation over the seeds."""
    block = standing.block
    adaptation = standing.adaptation_score()

    def cells(c: int) -> tuple[Cell | str, ...]:
        difference = standing.against_baseline(c)
        return (
            spread(block.values(HEADLINE)[c]),
            spread(block.values(ANYTIME)[c]),
            NONE if c == standing.baseline else interval(difference),
            interval(adaptation, c, 2),
            spread(block.values(VAL_LOSS)[c]),
            spread(block.values("final_val_loss")[c]),
            spread(100 * block.values("final_val_accuracy")[c], 1),
            spread(block.values("test_loss")[c]),
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
            "adaptation score",
            "mean val. loss (nats)",
            "final val. loss (nats)",
            "final val. accuracy (%)",
            "test loss (nats)",
            "test accuracy (%)",
            "diverged runs",
        ),
        rows(standing, cells),
        "Mean ± standard deviation over seeds, in the order of "
        "compute-adjusted performance. The difference to fixed, paired by seed, and the "
        f"adaptation score have 95 % bootstrap intervals. {_adaptation_note(standing)}",
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
