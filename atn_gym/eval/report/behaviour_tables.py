"""The tables of stability and adaptation, over all envs or of one."""

from __future__ import annotations

import numpy as np

from atn_gym.eval.metrics.aggregate import seed_std
from atn_gym.eval.metrics.formatting import NONE, count, number, seed_count
from atn_gym.eval.report.block_statistics import ANYTIME, VAL_LOSS, Standing
from atn_gym.eval.report.cells import decile_note, extent, interval, means, rows, spread, total
from atn_gym.eval.report.document import Cell, Table


def stability_table(standing: Standing, env: str | None = None) -> Table:
    """How safely controllers ran, over all envs or, if its label is given, on one."""
    block = standing.block
    several = len(block.seeds) > 1
    worst = standing.worst()
    averaged = "" if len(block.envs) == 1 else ", averaged over envs"

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
            number(deviation(VAL_LOSS, c)),
            number(100 * deviation("final_val_accuracy", c), 2),
            interval(worst, c),
        )

    return Table(
        _title("Stability", standing, env),
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
        f"deviations are over seeds{averaged}. {decile_note(standing)}",
    )


def adaptation_table(standing: Standing, env: str | None = None) -> Table:
    """What controllers did, and how runs took the shock; over all envs or on one."""
    block = standing.block
    recovery = standing.recovery()
    times = None if recovery is None else recovery.mean_times()
    spread_note = "" if env is None else " Beside it is its standard deviation over seeds."
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
            mean("shock_cost", c, 3) if env is None else spread(block.values("shock_cost")[c]),
        )

    return Table(
        _title("Adaptation", standing, env),
        (
            "controller",
            "update magnitude (decades / epoch)",
            "epochs with a change (%)",
            "false alarms (% of epochs before the shock)",
            "recovered (% of runs with epochs before a shock)",
            f"recovery time, restricted mean (epochs{horizon})",
            "shock cost (nats / epoch)",
        ),
        rows(standing, cells),
        "Recovered: validation accuracy came back within 0.02 of its best of the three epochs "
        "before the shock; a run that was never below has the time 0, and one with its shock at "
        "the start has nothing to come back to and does not count. Where no shock comes, every "
        "change is a false alarm. Shock cost: mean validation loss from the shock on, less that "
        "of the twin, the same run with the regime switched off; negative where the shock did "
        f"good; {NONE} where no twin was run.{spread_note}",
    )


def _title(what: str, standing: Standing, env: str | None) -> str:
    if env is None:
        return f"{what} over all envs: {extent(standing)}"
    return f"{env}, {what.lower()}: {seed_count(len(standing.block.seeds))}"
