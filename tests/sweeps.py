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


def stored(config_file):
    """Summaries of the complete runs of `EXPERIMENT`."""
    return sorted((config_file.parent / "results" / "small").glob("*/summary.json"))


def contents(results):
    """Every file but the locks, by its path, without wall-clock.

    And without the commit: the tree may be worked in while this test runs.
    """
    files = {}
    for path in sorted((results / "sweep").rglob("*")):
        if path.is_dir() or ".claims" in path.parts:
            continue
        text = path.read_text()
        if path.name == "summary.json":
            # The checksum is of these as well.
            text = json.dumps(
                {**json.loads(text), "wall_clock_s": None, "commit": None, "checksum": None}
            )
        files[str(path.relative_to(results))] = text
    return files


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


def without_manifest(files):
    """Without what tells of the commands, which are others if one is killed."""
    return {path: text for path, text in files.items() if Path(path).name != "manifest.json"}


def children(pid):
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if re.search(rf"^PPid:\s+{pid}$", status.read_text(), re.MULTILINE):
                found.append(int(status.parent.name))
    return found
