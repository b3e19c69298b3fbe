"""Processes killed again and again: what is stored is always that of an undisturbed sweep.

`pytest -m storm -rP tests/eval/running/test_storms.py` kills fifty times in each of four ways, and
says how it went.
"""

import contextlib
import itertools
import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import yaml
from dask_processes import Cluster
from strikes import MARK, begin, orphans, strike, strike_at_work
from sweeps import contents, run

from atn_gym import cli

ENV = {"num_epochs": 2, "train_size": 128}
# Of a controller that needs no optimizer of torch, which takes a second to import.
FACTORS = [round(1 + 0.02 * i, 2) for i in range(1, 25)]
STORM = {
    "experiment": "sweep",
    "envs": [
        {"id": f"atn_gym/DigitsCnn-{regime}-v0", **ENV} for regime in ("DataShift", "Stationary")
    ],
    "controllers": [{"name": "heuristic", "increase": factor} for factor in FACTORS],
    "seeds": 4,
}
"""A job for each of 48 pairs. A storm that outlasts it goes on in a folder of its own."""
AT_ONCE = 10
"""Blows between two looks at whether a sweep is complete."""
MOST_WORK_S = 4.0
"""Processor time within which a command has made jobs, those of one that was killed included."""


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


def strikes_on(storm, folder, commands, strikes):
    """Kills commands that share folders, each begun anew at once, and ends their sweeps."""
    config, undisturbed = storm
    draws = random.Random(commands)
    began, killed = time.monotonic(), Counter()
    with ThreadPoolExecutor(commands) as pool:
        for results in (folder / str(i) for i in itertools.count()):
            results.mkdir()
            kept = Kept(results, undisturbed)
            while killed.total() < strikes and not kept.is_all():
                number = min(AT_ONCE, strikes - killed.total())
                blows = [draw(config, results, draws) for _ in range(number)]
                for kind, code in pool.map(partial(strike_and_check, kept), blows):
                    # Two that merge are one too many.
                    assert code in (-9, 0, 2) if kind == "pack" else (-9, 0)
                    killed[kind] += code == -9
            assert not orphans(results)
            assert run(config, results) == 0
            assert contents(results) == undisturbed
            assert cli.main(["pack", str(results / "sweep")]) == 0
            assert contents(results) == undisturbed
            assert not list((results / "sweep" / ".claims").glob("*.part"))
            if killed.total() >= strikes:
                break
    took = time.monotonic() - began
    print(f"kills: {dict(killed)}, sweeps: {int(results.name) + 1}, seconds: {took:.0f}")


def draw(config, results, draws):
    """A blow amid writes, or at any moment of the work; some hit worker processes, some merges."""
    what = draws.choices(["run", "workers", "pack"], [8, 1, 1])[0]
    arguments = ["run", "--config", str(config), "--results", str(results)]
    if what == "pack":
        arguments = ["pack", str(results / "sweep")]
    elif what == "workers":
        arguments += ["--workers", "2"]
    if what != "pack" and draws.random() < 0.5:
        return what, partial(strike_at_work, arguments, results, draws.uniform(0, MOST_WORK_S))
    writes = 1 if what == "pack" else draws.randint(1, 4)
    delay = draws.choice([0, draws.uniform(0.001, 0.03)])
    return what, partial(strike, arguments, results, writes, delay)


def strike_and_check(kept, blow):
    """Strikes a command and looks at what is stored, while others write perhaps."""
    what, strikes = blow
    before, code = kept.stored, strikes()
    kept.check(before)
    return what, code


class Kept:
    """What is known to be stored in a folder of results."""

    def __init__(self, results, undisturbed):
        self.stored = {}
        self._results, self._undisturbed = results, undisturbed

    def check(self, before):
        """Checks that what was stored before is there still, and nothing but what belongs there."""
        stored = contents(self._results)
        assert before.items() <= stored.items()
        assert stored.items() <= self._undisturbed.items()
        self.stored = stored

    def is_all(self):
        return self.stored == self._undisturbed


@pytest.mark.storm
@pytest.mark.parametrize("kills", [6, 50])
def test_kills_of_workers_schedulers_and_commands_lose_no_more(storm, tmp_path, kills):
    config, undisturbed = storm
    draws = random.Random(kills)
    began, killed = time.monotonic(), Counter()
    # Of the workers, which begin with this module's folder, none is left.
    with contextlib.closing(Cluster(**{MARK: str(tmp_path)})) as cluster:
        workers = [cluster.add_worker() for _ in range(2)]
        for results in (tmp_path / str(i) for i in itertools.count()):
            results.mkdir()
            kept = Kept(results, undisturbed)
            arguments = ["run", "--config", str(config), "--results", str(results)]
            while killed.total() < kills and not kept.is_all():
                command = begin([*arguments, "--dask", cluster.address], tmp_path)
                for _ in range(draws.randint(0, 2)):
                    await_writes(results, command, draws)
                    killed["worker"] += command.is_alive()
                    cluster.kill(workers.pop(draws.randrange(2)))
                    workers.append(cluster.add_worker())
                await_writes(results, command, draws)
                if draws.random() < 0.5:
                    command.kill()
                    command.join()
                    killed["command"] += command.exitcode == -9
                else:
                    cluster.restart()
                    command.join()
                    # It names the scheduler that is lost, unless it was done.
                    assert command.exitcode in (0, 2)
                    killed["scheduler"] += command.exitcode == 2
                    for worker in workers:
                        cluster.kill(worker)
                    workers = [cluster.add_worker() for _ in range(2)]
                kept.check(kept.stored)
            last = begin([*arguments, "--dask", cluster.address], tmp_path)
            last.join()
            assert last.exitcode == 0
            assert contents(results) == undisturbed
            if killed.total() >= kills:
                break
    assert not orphans(tmp_path)
    took = time.monotonic() - began
    print(f"kills: {dict(killed)}, sweeps: {int(results.name) + 1}, seconds: {took:.0f}")


def await_writes(results, command, draws):
    """Waits until a command has stored a few parts, or has ended, and a moment longer."""
    parts = results / "sweep" / "parts"

    def count():
        return len(os.listdir(parts)) if parts.exists() else 0

    enough = count() + draws.randint(0, 2)
    while count() < enough and command.is_alive():
        time.sleep(0.01)
    time.sleep(draws.uniform(0, 0.1))
