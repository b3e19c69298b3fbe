"""Time and memory to index, load, report and pack stored runs, which are made up.

python benchmarks/store_scale.py [--seeds 10 100 1000]

There are ten envs and ten controllers; a step runs in a process of its own, imports included.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from atn_gym.eval.report.data_frames import load_results
from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage.pack import pack
from atn_gym.eval.storage.parts import RunResult
from atn_gym.eval.storage.store import ResultStore

_ENVS, _CONTROLLERS = 10, 10
_REGIMES = ("Stationary", "DataShift", "CurriculumShift", "LossPerturbation")
TOGETHER = 32
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


def make(root: Path, seeds: int) -> None:
    """Stores the runs, a part for each 32 seeds of a pair, as `atn-gym run` does."""
    store = ResultStore(root)
    for env, controller in itertools.product(range(_ENVS), range(_CONTROLLERS)):
        for first in range(0, seeds, TOGETHER):
            together = range(first, min(first + TOGETHER, seeds))
            store.write([make_run(env, controller, seed) for seed in together], {})


def index(root: Path) -> None:
    """Reads what a command reads that resumes a complete experiment."""
    ResultStore(root).refresh()


def load(root: Path) -> None:
    """Loads runs and epochs as data frames."""
    results = load_results(root)
    assert results.epochs["run"].nunique() == len(results.runs)


def report(root: Path) -> None:
    """Reports the runs."""
    write_report(root)


def merge(root: Path) -> None:
    """Merges the parts."""
    pack(root)


STEPS: dict[str, Callable[[Path], None]] = {
    "index": index,
    "load": load,
    "report": report,
    "pack": merge,
    "index, packed": index,
    "load, packed": load,
    "report, packed": report,
}


def part_sizes(root: Path) -> list[int]:
    """Bytes of each part of an experiment."""
    return [path.stat().st_size for path in (root / "parts").glob("*")]


def measured(step: str, root: Path) -> tuple[float, float, float]:
    """Wall-clock, processor time (s) and peak memory (MiB) of a step in a process of its own."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--step", step, "--root", str(root)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    busy, peak = map(float, output.split())
    return time.perf_counter() - began, busy, peak


def main() -> None:
    """Makes up runs and prints a row for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        STEPS[arguments.step](arguments.root)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
        return
    print("| runs | files | MB | step | seconds | of one core | peak, MiB |")
    print("|---|---|---|---|---|---|---|")
    for seeds in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "made_up"
            make(root, seeds)
            for step in STEPS:
                wall, busy, peak = measured(step, root)
                sizes = part_sizes(root)
                print(
                    f"| {_ENVS * _CONTROLLERS * seeds:,} | {len(sizes):,} | {sum(sizes) / 1e6:.1f} "
                    f"| {step} | {wall:.1f} | {busy:.1f} | {peak:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
