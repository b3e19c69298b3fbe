"""A sweep with the shipped agent: its runs depend on neither workers, batches nor kills."""

import random

import pytest
import yaml
from strikes import strike
from sweeps import contents, run

KILLS = 25
# A part for each pair of env and controller: more of them than kills.
SWEEP = {
    "experiment": "sweep",
    "envs": [
        {"id": "atn_gym/DigitsCnn-CurriculumShift-v0", "num_epochs": 16, "trigger": trigger}
        for trigger in range(16)
    ],
    "controllers": [{"name": "agent", "path": "ppo_digits"}, "cosine"],
    "seeds": 4,
    "twins": False,
}

pytestmark = pytest.mark.slow


def write(path, **changes):
    path.write_text(yaml.safe_dump({**SWEEP, **changes}))
    return path


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write(tmp_path_factory.mktemp("agent") / "sweep.yaml")


@pytest.fixture(scope="module")
def expected(sweep, tmp_path_factory):
    results = tmp_path_factory.mktemp("one_worker")
    assert run(sweep, results) == 0
    found = contents(results)
    assert len(found) == 128
    return found


def test_two_workers_make_the_runs_of_one(sweep, expected, tmp_path):
    assert run(sweep, tmp_path, "--workers", "2") == 0
    assert contents(tmp_path) == expected


def test_one_seed_followed_by_all_makes_the_runs_of_all_at_once(sweep, expected, tmp_path):
    assert run(write(tmp_path / "one.yaml", seeds=[0]), tmp_path) == 0
    assert run(sweep, tmp_path) == 0
    assert contents(tmp_path) == expected


@pytest.mark.storm
def test_resumed_after_25_kills_it_ends_with_the_same_runs(sweep, expected, tmp_path):
    draws = random.Random(0)
    arguments = ["run", "--config", str(sweep), "--results", str(tmp_path)]
    stages = []
    for _ in range(KILLS):
        delay = draws.choice([0, draws.uniform(0.001, 0.03)])
        assert strike(arguments, tmp_path, draws.choice([1, 1, 2]), delay) == -9
        stages.append(len(contents(tmp_path)))
    assert len(set(stages)) >= 5, "they struck at different stages"
    assert run(sweep, tmp_path, "--workers", "2") == 0
    assert contents(tmp_path) == expected
