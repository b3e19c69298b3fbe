"""Processes killed again and again: what is stored is always that of an undisturbed sweep.

`pytest -m storm tests/eval/running/test_storms.py` kills fifty times in each of four ways.
"""

import contextlib
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from dask_processes import Cluster
from strikes import MARK, begin, orphans, strike, strike_at_work
from sweeps import contents, run

ENV = {"num_epochs": 2, "train_size": 128}
RATES = [round(0.02 * i, 2) for i in range(1, 25)]
STORM = {
    "experiment": "sweep",
    "envs": [
        {"id": f"atn_gym/DigitsCnn-{regime}-v0", **ENV} for regime in ("DataShift", "Stationary")
    ],
    "controllers": [{"name": "step", "gamma": gamma} for gamma in RATES],
    "seeds": 4,
}
"""A job for each of 48 pairs, so that a storm finds work to the end."""


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    """The config of a sweep of many small jobs, and what it stores undisturbed."""
    folder = tmp_path_factory.mktemp("storm")
    (folder / "storm.yaml").write_text(yaml.safe_dump(STORM))
    assert run(folder / "storm.yaml", folder) == 0
    return folder / "storm.yaml", contents(folder)


@pytest.mark.storm
@pytest.mark.parametrize("commands", [1, 2, 4])
def test_fifty_kills_lose_no_more_than_the_jobs_in_flight(storm, tmp_path, commands):
    strikes_on(storm, tmp_path, commands, strikes=50)


@pytest.mark.slow
def test_four_kills_lose_no_more_than_the_jobs_in_flight(storm, tmp_path):
    strikes_on(storm, tmp_path, commands=2, strikes=4)


def strikes_on(storm, results, commands, strikes):
    """Kills commands that share a folder, and ends the sweep."""
    config, undisturbed = storm
    draws = random.Random(commands)
    arguments = ["run", "--config", str(config), "--results", str(results)]

    def draw():
        """A blow in the midst of writes, or at any moment of the work; some hit workers too."""
        given = [*arguments, "--workers", "2"] if draws.random() < 0.1 else arguments
        if draws.random() < 0.5:
            return strike_at_work, given, results, draws.uniform(0, 0.5)
        writes, delay = draws.randint(1, 4), draws.choice([0, draws.uniform(0.001, 0.03)])
        return strike, given, results, writes, delay

    killed, stored = 0, {}
    with ThreadPoolExecutor(commands) as pool:
        while killed < strikes:
            blows = [draw() for _ in range(min(commands, strikes - killed))]
            codes = pool.map(lambda blow: blow[0](*blow[1:]), blows)
            killed += list(codes).count(-9) or len(blows)
            stored = check_kept(stored, results, undisturbed)
    assert not orphans(results)
    assert run(config, results) == 0
    assert contents(results) == undisturbed
    assert not list((results / "sweep" / ".claims").glob("*.part"))


def check_kept(before, results, undisturbed):
    """Checks that what was stored is there still, and nothing but what belongs there."""
    stored = contents(results)
    assert before.items() <= stored.items()
    assert stored.items() <= undisturbed.items()
    return stored


@pytest.mark.storm
@pytest.mark.parametrize("kills", [6, 50])
def test_kills_of_workers_schedulers_and_commands_lose_no_more(storm, tmp_path, kills):
    config, undisturbed = storm
    draws = random.Random(kills)
    # Of the workers, which begin with this module's folder, none is left.
    with contextlib.closing(Cluster(**{MARK: str(tmp_path)})) as cluster:
        workers = [cluster.add_worker() for _ in range(2)]
        killed, stored = 0, {}
        while killed < kills:
            arguments = ["--config", str(config), "--results", str(tmp_path)]
            command = begin(["run", *arguments, "--dask", cluster.address], tmp_path)
            for _ in range(draws.randint(0, 2)):
                await_writes(tmp_path, command, draws)
                cluster.kill(workers.pop(draws.randrange(2)))
                workers.append(cluster.add_worker())
                killed += 1
            await_writes(tmp_path, command, draws)
            if draws.random() < 0.5:
                command.kill()
                command.join()
            else:
                cluster.restart()
                command.join()
                # It names the scheduler that is lost, unless it was done.
                assert command.exitcode in (0, 2)
                for worker in workers:
                    cluster.kill(worker)
                workers = [cluster.add_worker() for _ in range(2)]
            killed += 1
            stored = check_kept(stored, tmp_path, undisturbed)
        last = begin(["run", *arguments, "--dask", cluster.address], tmp_path)
        last.join()
        assert last.exitcode == 0
    assert contents(tmp_path) == undisturbed
    assert not orphans(tmp_path)


def await_writes(results, command, draws):
    """Waits until a command has stored a few parts, or has ended, and a moment longer."""
    parts = results / "sweep" / "parts"

    def count():
        return len(os.listdir(parts)) if parts.exists() else 0

    enough = count() + draws.randint(0, 2)
    while count() < enough and command.is_alive():
        time.sleep(0.01)
    time.sleep(draws.uniform(0, 0.1))
