"""A controller's draws come from a stream of the env and the seed of the run."""

import gymnasium as gym
import numpy as np
import pytest
import small_envs

import atn_gym
from atn_gym.agents import Fixed
from atn_gym.envs.params import TuningParams

SMALL = {**small_envs.SMALL, "num_epochs": 2}
ENVS = ("DigitsCnn-Stationary", "DigitsCnn-DataShift", "DigitsCnnPoorInit-Stationary")


class Reporting(Fixed):
    """Reports what it draws."""

    drawn: list[int] = []

    def __init__(self, setting):
        super().__init__(setting)
        self.drawn.append(int(np.random.default_rng(setting.seed).integers(2**62)))


def draws(env, seeds=(0, 1), twins=False, **arguments):
    Reporting.drawn.clear()
    arguments = {**SMALL, **arguments}
    atn_gym.evaluate(Reporting, f"atn_gym/{env}-v0", list(seeds), twins=twins, **arguments)
    # The first is made to check the arguments.
    return Reporting.drawn[1:]


def test_the_same_seed_draws_differently_in_each_env():
    found = [draw for env in ENVS for draw in draws(env)]
    found += draws("DigitsCnn-DataShift", kind="rotation") + draws("DigitsCnn-DataShift", trigger=1)
    assert len(set(found)) == len(found) == 10


def test_the_same_env_and_seed_draw_the_same():
    once = draws("DigitsCnn-DataShift")
    assert draws("DigitsCnn-DataShift") == once
    assert draws("DigitsCnn-DataShift", seeds=(1, 0)) == once[::-1]
    assert draws("DigitsCnn-DataShift", engine="torch") == once
    # A default that is spelt out makes no other env.
    assert draws("DigitsCnn-DataShift", window=10, profile="abrupt") == once


def test_a_twin_draws_what_its_run_draws():
    first, second = draws("DigitsCnn-DataShift", seeds=[3], twins=True)
    assert first == second


def test_draws_do_not_depend_on_the_process():
    params = TuningParams("DigitsCnn", "Stationary", num_epochs=30)
    assert params.controller_seed(0) == EXPECTED
    env = gym.make("atn_gym/DigitsCnn-Stationary-v0")
    assert env.unwrapped.episodes.params.controller_seed(0) == EXPECTED


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_the_seed_of_a_controller_fits_64_bits(seed):
    assert 0 <= TuningParams("DigitsCnn", "Stationary").controller_seed(seed) < 2**63


EXPECTED = 1414595940726568867
"""Stored, because Python's own hashes differ between processes."""
