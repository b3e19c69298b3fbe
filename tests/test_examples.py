"""The examples run, each in a short form."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import atn_gym

EXAMPLES = Path(__file__).parent.parent / "examples"
SHORT = {
    "evaluate_policy": ["--seeds", "2", "--epochs", "3"],
    "plain_loop": ["--generations", "2", "--epochs", "2"],
    "discrete_actions": ["--timesteps", "40", "--epochs", "3"],
    "own_loop": ["--seeds", "1", "--epochs", "2"],
    "train_controller": ["--timesteps", "960", "--seeds", "2"],
    "tune_arguments": ["--trials", "3", "--seeds", "2", "--epochs", "2"],
}
SAYS = {
    "evaluate_policy": "slow down",
    "plain_loop": "generation 1: centre",
    "discrete_actions": "after: anytime performance",
    "own_loop": "left alone",
    "train_controller": "DigitsCnnPoorInit-DataShift-v0 agent:",
    "tune_arguments": "tuned ",
}


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_an_example_runs(name, tmp_path):
    path = os.pathsep.join(
        [str(Path(atn_gym.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *SHORT[name]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout
