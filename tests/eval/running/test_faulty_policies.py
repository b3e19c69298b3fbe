"""A policy that breaks a rule is named, with the seeds that it cost."""

import functools

import numpy as np
import pytest
import small_envs

from atn_gym.agents import ControllerPolicy, Fixed
from atn_gym.eval.running.failures import PolicyError
from atn_gym.eval.running.rollout import run_seeds

vector = functools.partial(small_envs.make_vector_env, autoreset_mode="Disabled")


class Faulty(ControllerPolicy):
    """A policy that does as told at epoch 1."""

    def __init__(self, env, spoil=None, found=None, accounts=None):
        episodes = env.unwrapped.episodes
        super().__init__(Fixed, episodes.hyperparameters, episodes.num_epochs)
        self.spoil, self.found, self.told = spoil, found, accounts

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        result = super().predict(observation, state, episode_start, deterministic)
        at_one = round(float(observation["progress"].max()) * 3) == 1
        return self.spoil(*result) if self.spoil and at_one else result

    def accounts(self, state):
        return self.told(state) if self.told else super().accounts(state)

    def search(self):
        return self.found() if self.found else [{"momentum": 0.5}] * 2


def nan_in(*rows):
    def spoil(actions, state):
        actions[list(rows), 1] = np.nan
        return actions, state

    return spoil


AT_ONE = "at epoch 1 of the runs with seeds 3, 4"


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (
            {"spoil": lambda actions, state: (actions[:, :2], state)},
            rf"returned wrong actions {AT_ONE}: .* shape \(2, 3\), got shape \(2, 2\)",
        ),
        (
            {"spoil": lambda actions, state: (actions.astype(int), state)},
            f"returned wrong actions {AT_ONE}: .* got dtype int64",
        ),
        (
            {"spoil": lambda actions, state: ([[0.0], [0.0, 1.0]], state)},
            f"returned wrong actions {AT_ONE}: ",
        ),
        (
            {"spoil": lambda actions, state: actions},
            rf"raised InvalidArgument {AT_ONE}: predict must return \(actions, state\)",
        ),
        (
            {"accounts": lambda state: state[5]},
            r"raised IndexError in accounts\(\) after the runs with seeds 3, 4: list index",
        ),
        ({"accounts": lambda state: []}, r"raised ValueError in accounts\(\) after"),
        ({"accounts": lambda state: [{}, {}]}, "an account must be a RunAccount, got {}"),
        (
            {"found": lambda: 1 / 0},
            r"raised ZeroDivisionError in search\(\) before the runs with seeds 3, 4: division",
        ),
        ({"found": lambda: [{"momentum": 0.5}]}, r"raised ValueError in search\(\)"),
        ({"found": lambda: [{"momentum": 7.0}] * 2}, r"search\(\) .*\[0, 0.99\], got 7"),
        (
            {"found": lambda: [{"momentum": 0.5}, {"learning_rate": 0.1}]},
            "all runs must have the same names",
        ),
    ],
)
def test_a_faulty_policy_is_named_with_seeds_and_moment(faults, message):
    env = vector()
    with pytest.raises(PolicyError, match=f"policy Faulty .*{message}"):
        run_seeds(Faulty(env, **faults), env, [3, 4])


def test_an_action_with_nan_loses_its_own_run_alone():
    env, reference = (
        vector(num_envs=3),
        vector(num_envs=3),
    )
    found = {"found": lambda: [{"momentum": 0.5}] * 3}
    records = run_seeds(Faulty(env, nan_in(1), **found), env, [3, 4, 5])
    expected = run_seeds(Faulty(reference, **found), reference, [3, 4, 5])
    message = "policy Faulty returned an action with NaN at epoch 1 of the run with seed 4: "
    assert str(records[1].error) == f"{message}[0.0, nan, 0.0]"
    assert len(records[1].trace) == 1
    for i in (0, 2):
        assert records[i].error is None
        assert records[i].trace == expected[i].trace
        assert records[i].test == expected[i].test


def test_nan_everywhere_ends_all_runs_and_is_told_of_each():
    env = vector()
    records = run_seeds(Faulty(env, nan_in(0, 1)), env, [3, 4])
    assert [len(record.trace) for record in records] == [1, 1]
    for record in records:
        assert f"at epoch 1 of the run with seed {record.seed}: " in str(record.error)


def test_a_fault_of_the_env_is_not_put_down_to_the_policy():
    env = vector()

    def broken(*arguments):
        raise ZeroDivisionError("a bug")

    env.unwrapped.episodes.step = broken
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run_seeds(ControllerPolicy.for_env(Fixed, env), env, [0, 1])
