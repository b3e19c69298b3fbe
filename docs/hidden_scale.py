"""The table of a results page that shows at which hidden scales a method fails."""

from __future__ import annotations

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.envs import registry
from atn_gym.envs.gain import draw_gain
from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import bootstrap
from atn_gym.eval.metrics.formatting import count
from atn_gym.eval.report.block_statistics import ANYTIME, BlockStatistics
from atn_gym.eval.report.columns import controller_table, estimate_column
from atn_gym.eval.report.document import Table

RANGES = {
    "a tenth or less of the rate": (-np.inf, -1.0),
    "a tenth to all of it": (-1.0, 0.0),
    "more than the rate": (0.0, np.inf),
}
"""Decades of the gain, lower end included."""
_FEWEST = 5
"""Seeds in a range, at least."""


def by_scale(s: BlockStatistics, task: str) -> Table | None:
    """Anytime performance by range of the gain; None where a range has too few seeds.

    Args:
        s: Statistics of envs of one task, which draw the same gain for a seed: all but Mixture.
        task: Name of the task.
    """
    gains = gains_of(task, s.block.seeds)
    ranges = {name: (gains >= low) & (gains < high) for name, (low, high) in RANGES.items()}
    if any(chosen.sum() < _FEWEST for chosen in ranges.values()):
        return None
    columns = []
    for name, chosen in ranges.items():
        found = bootstrap(s.block.values(ANYTIME)[..., chosen], mean, np.random.default_rng(0))
        columns.append(estimate_column(f"{name} ({chosen.sum()} seeds)", found))
    note = (
        "Anytime performance of the runs whose learning rate takes effect multiplied by so much, "
        f"mean over {count(len(s.block.envs), 'env')}, with 95 % bootstrap intervals over seeds. "
        "Mixture is left out: it draws its gains otherwise."
    )
    return controller_table("Anytime performance by the hidden gain", s, columns, note)


def gains_of(task: str, seeds: tuple[int, ...]) -> FloatArray:
    """Decades of the gain that an env of a task draws for each seed, in any regime but Mixture."""
    gain = registry.get_task(task).gain
    return np.array([draw_gain(gain, seed) for seed in seeds])
