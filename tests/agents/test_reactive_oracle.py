"""The oracle that is as surprised by a shock as anyone."""

import gymnasium as gym
import numpy as np
import pytest

from atn_gym.agents import LookaheadOracle, ReactiveOracle
from atn_gym.eval.running.rollout import run_seeds

SEEDS = [0, 1]
SHOCK = 2
SHIFTS = {
    "OptimizerSensitivityShift": {"kind": "learning_rate", "severity": 1.0},
    "CurriculumShift": {},
    "DataShift": {"kind": "rotation", "profile": "gradual"},
}
ARGUMENTS = {"levels": [1.0, 0.2], "horizon": 3}


def vector(regime, **kwargs):
    return gym.make_vec(
        f"atn_gym/DigitsCnn-{regime}-v0",
        num_envs=len(SEEDS),
        autoreset_mode="Disabled",
        **{"num_epochs": 6, "train_size": 256, **kwargs},
    )


def actions_of(oracle, env, epochs, given=()):
    """What an oracle does in each epoch, (epochs, runs, K), after actions that are given."""
    observation, _ = env.reset(seed=SEEDS)
    policy, taken = oracle.policy(env, SEEDS), []
    for epoch in range(epochs):
        action = given[epoch] if epoch < len(given) else policy.predict(observation)[0]
        observation, *_ = env.step(action)
        taken.append(action)
    return np.array(taken)


@pytest.mark.parametrize("regime", SHIFTS)
def test_up_to_the_first_epoch_of_a_shock_it_acts_as_in_the_twin(regime):
    kwargs = {"trigger": SHOCK, **SHIFTS[regime]}
    reactive = actions_of(ReactiveOracle(**ARGUMENTS), vector(regime, **kwargs), SHOCK + 1)
    twin = actions_of(LookaheadOracle(**ARGUMENTS), vector(regime, **kwargs, twin=True), SHOCK + 1)
    np.testing.assert_array_equal(reactive, twin)
    foreseeing = actions_of(LookaheadOracle(**ARGUMENTS), vector(regime, **kwargs), SHOCK + 1)
    assert (reactive != foreseeing).any(), "or else this shock cannot tell the oracles apart"


def test_a_shock_in_the_first_epoch_of_the_run_comes_unforeseen_too():
    kwargs = {"trigger": 0, **SHIFTS["OptimizerSensitivityShift"]}
    env, twin = (vector("OptimizerSensitivityShift", **kwargs, twin=twin) for twin in (False, True))
    reactive = actions_of(ReactiveOracle(**ARGUMENTS), env, 1)
    np.testing.assert_array_equal(reactive, actions_of(LookaheadOracle(**ARGUMENTS), twin, 1))


def test_from_the_epoch_after_it_knows_of_the_shock():
    kwargs = {"trigger": SHOCK, **SHIFTS["OptimizerSensitivityShift"]}
    env, same = (vector("OptimizerSensitivityShift", **kwargs) for _ in range(2))
    reactive = actions_of(ReactiveOracle(**ARGUMENTS), env, SHOCK + 2)
    knowing = actions_of(LookaheadOracle(**ARGUMENTS), same, SHOCK + 2, reactive[:-1])
    np.testing.assert_array_equal(reactive[-1], knowing[-1])
    twin = vector("OptimizerSensitivityShift", **kwargs, twin=True)
    ignorant = actions_of(LookaheadOracle(**ARGUMENTS), twin, SHOCK + 2, reactive[:-1])
    assert (reactive[-1] != ignorant[-1]).any()


def test_the_end_of_a_recurring_phase_comes_unforeseen_as_well():
    """The shift is on in epochs 2 and 3 and off in epoch 4, in which it still expects it."""
    kwargs = {"trigger": 1, "period": 2, "kind": "rotation"}
    recurring = vector("DataShift", **kwargs, profile="recurring")
    reactive = actions_of(ReactiveOracle(**ARGUMENTS), recurring, 4)
    lasting = vector("DataShift", **kwargs)
    expecting = actions_of(LookaheadOracle(**ARGUMENTS), lasting, 4, reactive[:-1])
    np.testing.assert_array_equal(reactive[-1], expecting[-1])
    foreseeing = actions_of(LookaheadOracle(**ARGUMENTS), recurring, 4, reactive[:-1])
    assert (reactive[-1] != foreseeing[-1]).any()


def test_where_nothing_changes_it_is_the_lookahead_oracle_bit_for_bit():
    records = []
    for oracle in (ReactiveOracle(), LookaheadOracle()):
        env = vector("Stationary")
        records.append(run_seeds(oracle.policy(env, SEEDS), env, SEEDS))
    reactive, lookahead = records
    assert [r.trace for r in reactive] == [r.trace for r in lookahead]
    assert [r.account for r in reactive] == [r.account for r in lookahead]


def test_it_leaves_the_run_and_its_shock_as_they_were():
    kwargs = {"trigger": SHOCK, **SHIFTS["CurriculumShift"]}
    env, plain = vector("CurriculumShift", **kwargs), vector("CurriculumShift", **kwargs)
    actions = actions_of(ReactiveOracle(**ARGUMENTS), env, 6)
    plain.reset(seed=SEEDS)
    for action in actions:
        *_, infos = plain.step(action)
    # An idle step of a run that is over tells its last epoch again.
    *_, looked = env.step(np.zeros_like(actions[0]))
    assert infos["privileged"]["strength"].tolist() == [0.5, 0.5]
    np.testing.assert_array_equal(infos["privileged"]["val_loss"], looked["privileged"]["val_loss"])
