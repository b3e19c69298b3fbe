"""Time to report 1,000 stored runs, which are made up.

python -m benchmarks.report_time [--envs 10] [--controllers 10] [--seeds 10]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import numpy as np

from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage.parts import RunResult
from atn_gym.eval.storage.store import ResultStore

_REGIMES = ("Stationary", "DataShift", "CurriculumShift", "LossPerturbation")
_TOGETHER = 32
_EPOCHS, _SHOCK, _FLOPS = 30, 15, 172_249_984


def make_run(env: int, controller: int, seed: int) -> RunResult:
    """A run that never was."""
    rng = np.random.default_rng([env, controller, seed])
    loss = 2.3 * np.exp(-np.arange(_EPOCHS) / 8) + rng.uniform(0.01, 0.2, _EPOCHS)
    rate = 0.05 * 10 ** (0.1 * rng.normal(size=_EPOCHS).cumsum())
    regime = _REGIMES[env % len(_REGIMES)]
    config = {
        "env": {
            "id": f"atn_gym/DigitsCnn-{regime}-v0",
            "regime": regime,
            "task": "DigitsCnn",
            "severity": 0.05 * env,
            "num_epochs": _EPOCHS,
            "hyperparameters": ["learning_rate", "momentum", "weight_decay"],
        },
        "controller": {"name": f"method_{controller}" if controller else "fixed"},
        "seed": seed,
    }
    trace = [
        {
            "epoch": t + 1,
            "val_loss": loss[t],
            "learning_rate": rate[t],
            "momentum": 0.9,
            "weight_decay": 1e-4,
            "diverged": False,
            "gradient_steps": 17,
        }
        for t in range(_EPOCHS)
    ]
    performance = float(np.log(2.3 / loss).mean() / np.log(100))
    names = (
        "divergence_events loss_spikes rollback_count restarts optimizer_evaluations "
        "update_magnitude adaptation_frequency false_alarm_rate final_val_accuracy test_accuracy"
    )
    summary = {
        **{name: float(rng.random()) for name in names.split()},
        "seed": seed,
        "shock_epoch": _SHOCK,
        "recovery_time": int(rng.integers(_EPOCHS - _SHOCK)),
        "recovered": True,
        "diverged": False,
        "collapsed": False,
        "final_val_loss": float(loss[-1]),
        "mean_val_loss": float(loss.mean()),
        "anytime_performance": performance,
        "compute_adjusted_performance": (performance + 1) / 2,
        "flops": _FLOPS * _EPOCHS,
        "run_flops": _FLOPS * _EPOCHS,
        "gradient_steps": 17 * _EPOCHS,
        "wall_clock_s": {"training": 1.0, "controller": 0.1, "search": 0.0, "total": 1.1},
    }
    return RunResult(config, trace, summary)


def main() -> None:
    """Makes up runs, reports them, and prints how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("envs", "controllers", "seeds"):
        parser.add_argument(f"--{name}", type=int, default=10)
    arguments = parser.parse_args()
    counts = (arguments.envs, arguments.controllers, arguments.seeds)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "made_up"
        store = ResultStore(root)
        for env, controller in itertools.product(range(counts[0]), range(counts[1])):
            for first in range(0, counts[2], _TOGETHER):
                seeds = range(first, min(first + _TOGETHER, counts[2]))
                store.write([make_run(env, controller, seed) for seed in seeds], {})
        began, busy = time.perf_counter(), time.process_time()
        written = write_report(root)
        wall, processor = time.perf_counter() - began, time.process_time() - busy
        size = sum(file.stat().st_size for file in written.files)
    print(f"{written.num_runs} runs: {wall:.1f} s ({processor:.1f} s of one core), {size} bytes")


if __name__ == "__main__":
    main()
