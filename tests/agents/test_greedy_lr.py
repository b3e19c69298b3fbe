"""GreedyLR against what Hugging Face transformers does; data/record_greedy_lr.py recorded it."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from atn_gym.agents import GreedyLR, RunSetting
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

RECORDED = json.loads((Path(__file__).parent / "data" / "greedy_lr_traces.json").read_text())
SETTING = RunSetting(HyperparameterSpace(["learning_rate"]), num_epochs=40)
DEFAULTS = {"factor": 0.95, "patience": 10, "reset_start": 500}


def rates(metrics, initial=RECORDED["initial"], **arguments):
    controller = GreedyLR(SETTING, **arguments)
    found = [controller.propose({"learning_rate": initial})["learning_rate"]]
    for step, metric in enumerate(metrics, start=1):
        controller.observe(metric, step)
        found.append(controller.propose({"learning_rate": found[-1]})["learning_rate"])
    return found[1:]


@pytest.mark.parametrize("trace", RECORDED["traces"], ids=lambda t: f"{t['arguments']}")
def test_it_makes_the_moves_of_transformers(trace):
    arguments = DEFAULTS | trace["arguments"]
    smooth, window = arguments.pop("smooth", False), arguments.pop("window_size", 1)
    found = rates(
        RECORDED["metrics"][trace["metrics"]], smooth=window if smooth else 1, **arguments
    )
    np.testing.assert_allclose(found, trace["rates"], rtol=1e-12)


def test_the_recorded_moves_include_rises_falls_and_resets():
    by_case = [np.diff([RECORDED["initial"], *t["rates"]]) for t in RECORDED["traces"]]
    assert any((moves > 0).any() and (moves < 0).any() for moves in by_case)
    resets = [t["rates"] for t in RECORDED["traces"] if "reset_start" in t["arguments"]]
    pairs = [pair for found in resets for pair in itertools.pairwise(found)]
    assert (0.01, RECORDED["initial"]) in pairs


def test_the_rate_stays_within_the_bounds_of_the_env():
    assert rates([1.0, 0.9, 0.8], initial=0.9, factor=0.1, patience=0, max_lr=50.0) == [
        1.0,
        1.0,
        1.0,
    ]


def test_a_loss_that_is_not_finite_is_a_bad_epoch():
    found = rates([math.nan, math.inf, 1.0], factor=0.5, patience=0)
    np.testing.assert_allclose(found, [0.025, 0.0125, 0.025])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 1.0}, r"factor must be a number in \[0\.01, 0\.999\], got 1\.0"),
        ({"patience": -1}, "patience must be an integer >= 0, got -1"),
        ({"smooth": 0}, "smooth must be an integer >= 1, got 0"),
        ({"reset_start": 0}, "reset_start must be an integer >= 1, got 0"),
        ({"min_lr": 0.5, "max_lr": 0.1}, r"max_lr must be at least min_lr=0\.5, got 0\.1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        GreedyLR(SETTING, **arguments)
