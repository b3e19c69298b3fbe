"""Commands killed again and again: what is stored is always that of an undisturbed sweep."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from strikes import strike
from sweeps import contents, run

ENV = {"num_epochs": 2, "train_size": 128}
RATES = [round(0.02 * i, 2) for i in range(1, 25)]
STORM = {
    "experiment": "sweep",
    "envs": [
        {"id": f"atn_gym/DigitsCnn-{regime}-v0", **ENV} for regime in ("DataShift", "Stationary")
    ],
    "controllers": [{"name": "step", "gamma": gamma} for gamma in RATES],
    "seeds": 2,
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
    killed, stored = 0, {}
    with ThreadPoolExecutor(commands) as pool:
        while killed < strikes:
            blows = [
                (draws.randint(1, 4), draws.choice([0, draws.uniform(0.001, 0.03)]))
                for _ in range(min(commands, strikes - killed))
            ]
            codes = pool.map(lambda blow: strike(arguments, results, *blow), blows)
            killed += list(codes).count(-9) or len(blows)
            before, stored = stored, contents(results)
            # What was stored is there still, and nothing but what belongs there.
            assert before.items() <= stored.items()
            assert stored.items() <= undisturbed.items()
    assert run(config, results) == 0
    assert contents(results) == undisturbed
    assert not list((results / "sweep" / ".claims").glob("*.part"))
