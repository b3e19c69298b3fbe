"""Small experiments, run by the command line here or in a process of its own."""

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from atn_gym import cli
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.files import StoreError

SWEEP = {
    "experiment": "sweep",
    "envs": [
        {"id": f"atn_gym/DigitsCnn-{regime}-v0", "num_epochs": 10}
        for regime in ("DataShift", "Stationary")
    ],
    "controllers": ["fixed", "autotunenet", {"name": "step", "gamma": 0.5}],
    "seeds": 6,
}

EXPERIMENT = {
    "experiment": "small",
    "envs": [{"id": "atn_gym/DigitsCnn-DataShift-v0", "num_epochs": 3, "train_size": 128}],
    "controllers": ["fixed", {"name": "reduce_lr_on_plateau", "patience": 0}],
    "seeds": 2,
}


def run(config, results, *arguments):
    return cli.main(["run", "--config", str(config), "--results", str(results), *arguments])


def results_of(config_file):
    return config_file.parent / "results" / "small"


def stored(config_file):
    """Runs of the small experiment that are stored."""
    return read_experiment(results_of(config_file)).runs


def part_files(config_file):
    return sorted(results_of(config_file).glob("parts/*"))


def contents(results):
    """What is stored of every run, bit for bit, without wall-clock.

    And without the commit: the tree may be worked in while this test runs.
    """
    try:
        runs = read_experiment(results / "sweep").runs
    except StoreError:
        return {}
    varying = {"wall_clock_s": None, "commit": None}
    return {
        run.key: (
            json.dumps(run.config),
            json.dumps({**run.summary, **varying}),
            {name: values.tobytes() for name, values in run.trace.items()},
        )
        for run in runs
    }


def start(config, results, *arguments):
    command = [sys.executable, "-m", "atn_gym.cli", "run", "--config", str(config)]
    return subprocess.Popen(
        [*command, "--results", str(results), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # Where the tests run in the background, a shell has them ignore interrupts.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def children(pid):
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if re.search(rf"^PPid:\s+{pid}$", status.read_text(), re.MULTILINE):
                found.append(int(status.parent.name))
    return found
