"""What tables call a metric, and how they write it: one word and one statistic everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atn_gym.eval.metrics.aggregate import mean, num_seeds, seed_std
from atn_gym.eval.metrics.formatting import NONE, number
from atn_gym.eval.metrics.strata import stratify


class Heading(NamedTuple):
    """How tables show a metric.

    Args:
        text: Name with unit.
        digits: Decimals.
        scale: Factor from the stored value to the unit of the text.
    """

    text: str
    digits: int = 3
    scale: float = 1

    def number(self, value: float) -> str:
        """Writes a value of the metric, without its unit."""
        return number(self.scale * value, self.digits)


HEADINGS = {
    "compute_adjusted_performance": Heading("compute-adjusted performance"),
    "anytime_performance": Heading("anytime performance"),
    "regret": Heading("regret"),
    "mean_val_loss": Heading("mean val. loss (nats)"),
    "final_val_loss": Heading("final val. loss (nats)"),
    "final_val_accuracy": Heading("final val. accuracy (%)", 1, 100),
    "test_loss": Heading("test loss (nats)"),
    "test_accuracy": Heading("test accuracy (%)", 1, 100),
    "collapsed": Heading("collapsed runs"),
    "diverged": Heading("diverged runs"),
    "divergence_events": Heading("divergence events / run", 2),
    "loss_spikes": Heading("loss spikes / run", 2),
    "rollback_count": Heading("rollbacks / run", 1),
    "restarts": Heading("restarts / run", 1),
    "recovered": Heading("recovered (% of runs with epochs before a shock)", 0, 100),
    "shock_cost": Heading("shock cost (nats / epoch)"),
    "update_magnitude": Heading("update magnitude (decades / epoch)"),
    "adaptation_frequency": Heading("epochs with a change (%)", 0, 100),
    "false_alarm_rate": Heading("false alarms (% of epochs before the shock)", 0, 100),
    "optimizer_evaluations": Heading("optimizer evaluations", 1),
    "gradient_steps": Heading("gradient steps", 0),
    "wall_clock_s.training": Heading("training (s)", 2),
    "wall_clock_s.controller": Heading("controller (s)", 3),
    "wall_clock_s.search": Heading("search (s)", 2),
    "wall_clock_s.total": Heading("total (s)", 2),
}
"""By the field of the summary; all but counts of runs are means over runs."""


def mean_and_deviation(
    metric: str, values: Sequence[float], beginnings: Sequence[int]
) -> tuple[str, str]:
    """Writes the mean of a metric over the runs of one controller on one env.

    Args:
        metric: A key of `HEADINGS`.
        values: Its value in each run; NaN where it is undefined.
        beginnings: Beginning of each run, see `atn_gym.eval.metrics.strata`.

    Returns:
        The stratified mean, and the standard deviation over the seeds of a beginning behind
        "±"; the latter is empty if a beginning has one seed.
    """
    known = np.isfinite(values)
    if not known.any():
        return NONE, ""
    scores = stratify(np.array(values)[None, known], np.array(beginnings)[None, known])
    heading = HEADINGS[metric]
    is_spread_known = num_seeds(scores).min() > 1
    deviation = f"± {heading.number(float(seed_std(scores)))}" if is_spread_known else ""
    return heading.number(float(mean(scores))), deviation


def runs_of(values: Sequence[float]) -> str:
    """Counts the runs in which something happened, such as "3 / 40", of those that say so."""
    known = np.array(values)[np.isfinite(values)]
    return f"{int(known.sum())} / {known.size}" if known.size else NONE
