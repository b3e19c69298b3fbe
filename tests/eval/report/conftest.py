"""Made-up results that the tests of the report share."""

import pytest
from made_up_runs import OTHER, add


@pytest.fixture
def known(root):
    """Three controllers on one env with four seeds."""
    for seed, performance in enumerate([0.0, 0.2, 0.4, 0.6]):
        lost = {"mean_val_loss": float(seed), "test_loss": 10.0 * seed, "diverged": seed == 0}
        add(root, "fixed", seed, anytime_performance=performance, **lost)
        add(root, "mine", seed, anytime_performance=0.8, rollback_count=seed)
        # Better than all others in the headline too, yet it must stand below them.
        oracle = {"flops": 10**10, "compute_adjusted_performance": 0.95}
        add(root, "lookahead_oracle", seed, anytime_performance=0.9, **oracle)
    return root


@pytest.fixture
def recovering(root):
    times = [(1, True), (3, True), (5, False), (5, False)]
    for seed, (time, recovered) in enumerate(times):
        measured = {"recovery_time": time, "recovered": recovered, "shock_cost": seed / 2}
        add(root, "fixed", seed, **measured, update_magnitude=0.1, adaptation_frequency=0.5)
        add(root, "fixed", seed, env=OTHER, update_magnitude=0.3, adaptation_frequency=1.0)
    return root
