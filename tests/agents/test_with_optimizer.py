"""Methods with another optimizer: where a run begins, and that nothing else changes."""

import gymnasium
import numpy as np
import pytest
import small_envs
from gymnasium.vector import AutoresetMode

import atn_gym
from atn_gym.agents import Controller, Guarded, WithOptimizer, controller_method
from atn_gym.errors import InvalidArgument

ENV = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {**small_envs.SMALL, "num_epochs": 5, "train_size": 256}
HYPERPARAMETERS = ("learning_rate", "momentum", "weight_decay")


def evaluate(method, **arguments):
    (run,) = atn_gym.evaluate(method, ENV, seeds=[1], twins=False, **SMALL, **arguments).runs
    return run


def column(run, name):
    return [row[name] for row in run.trace]


class Halving(Controller):
    """Halves the learning rate, and counts what it observes."""

    seen: list

    def observe(self, metric, step):
        self.seen = [*getattr(self, "seen", []), step]

    def propose(self, current_params):
        rate = current_params["learning_rate"]
        Halving.rates.append(rate)
        return {**current_params, "learning_rate": rate / 2}

    rates: list = []


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("fixed", {}),
        ("heuristic", {}),
        ("hypergradient", {}),
        ("agent", {"path": "ppo_gradient"}),
    ],
)
def test_within_reach_it_is_the_method_on_an_env_that_begins_there(method, arguments):
    found = evaluate(WithOptimizer(method, arguments, learning_rate=0.04))
    plain = controller_method(method, **arguments)
    initial = {"learning_rate": 0.04}
    expected = evaluate(plain, optimizer="adamw", initial=initial)
    for name in (*HYPERPARAMETERS, "val_loss"):
        np.testing.assert_allclose(column(found, name), column(expected, name), rtol=2e-4)
    assert found.summary["flops"] == expected.summary["flops"]


def test_out_of_reach_the_method_observes_what_it_set_until_the_run_is_there():
    Halving.rates = []
    run = evaluate(WithOptimizer(Halving, learning_rate=0.5), initial={"learning_rate": 1e-4})
    np.testing.assert_allclose(Halving.rates, [0.5, 0.25, 0.125, 0.0625, 0.03125], rtol=1e-4)
    rates = [1e-3, 1e-2, 0.0625, 0.03125, 0.015625]  # a decade at a time, then as it is set
    np.testing.assert_allclose(column(run, "learning_rate"), rates, rtol=1e-4)


def test_only_the_learning_rate_begins_elsewhere():
    initial = {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 1e-3}
    run = evaluate(WithOptimizer("fixed", learning_rate=0.02), initial=initial)
    for name, value in {**initial, "learning_rate": 0.02}.items():
        np.testing.assert_allclose(column(run, name), value, rtol=1e-5)


def test_runs_of_a_batch_are_those_of_single_envs_and_may_begin_again():
    method = WithOptimizer("heuristic", learning_rate=0.5)
    made = {**SMALL, **method.env_arguments(), "initial": {"learning_rate": 1e-3}}
    vector = gymnasium.make_vec(ENV, 2, autoreset_mode=AutoresetMode.SAME_STEP, **made)
    batch = rates(vector, method.policy(vector, [1, 2]), [1, 2], epochs=8)
    for i, seed in enumerate((1, 2)):
        single = gymnasium.make(ENV, **made)
        alone = rates(single, method.policy(single, [seed]), seed, epochs=5)
        np.testing.assert_allclose(batch[:5, i], alone[:, 0], rtol=1e-5)
    np.testing.assert_allclose(batch[5], [0.01, 0.01], rtol=1e-5)


def rates(env, policy, seed, epochs):
    """Learning rates of each epoch, (epochs, n)."""
    observation, _ = env.reset(seed=seed)
    state, found = None, []
    for _ in range(epochs):
        before = np.atleast_2d(
            env.unwrapped.episodes.hyperparameters.from_log10(observation["hyperparameters"])
        )
        actions, state = policy.predict(observation, state)
        after = env.unwrapped.episodes.hyperparameters.apply(before, np.atleast_2d(actions)[:, :3])
        found.append(after[:, 0])
        observation, *_ = env.step(actions)
    return np.array(found)


def test_a_search_finds_its_own_beginning():
    arguments = {"num_trials": 2}
    run = evaluate(WithOptimizer("offline_bayesian", arguments))
    expected = evaluate(controller_method("offline_bayesian", **arguments), optimizer="adamw")
    assert run.trace == expected.trace
    assert run.summary["restarts"] == 2


def test_a_guard_around_it_keeps_its_word_and_the_method_observes_what_it_got():
    Halving.rates = []
    method = Guarded(WithOptimizer(Halving, learning_rate=0.4), tolerance=1e9, radius=0.5)
    run = evaluate(method, initial={"learning_rate": 0.01})
    rates = column(run, "learning_rate")
    limited = 0.01 * 10**0.5  # not the 0.2 that it wanted
    np.testing.assert_allclose(rates, [limited / 2**i for i in range(5)], rtol=1e-4)
    np.testing.assert_allclose(Halving.rates[1:], rates[:-1], rtol=1e-4)


def test_without_a_rate_a_run_begins_as_its_env_says():
    found = evaluate(WithOptimizer("heuristic", learning_rate=None))
    assert found.trace == evaluate("heuristic", optimizer="adamw").trace


def test_its_making_is_that_of_the_method_and_of_the_default_rate():
    agent = ("agent", {"path": "ppo_gradient"})
    within = controller_method(agent[0], **agent[1]).making_runs
    assert WithOptimizer(*agent).making_runs == within + 612
    assert WithOptimizer(*agent, learning_rate=0.02).making_runs == within
    assert WithOptimizer(*agent, optimizer="nadamw").making_runs == within


def test_another_optimizer_is_another_run():
    losses = {
        evaluate(WithOptimizer("fixed", optimizer=o)).trace[0]["val_loss"]
        for o in ("adamw", "sgd", "nadamw")
    }
    assert len(losses) == 3


def test_what_is_wrong_is_named():
    with pytest.raises(InvalidArgument, match="unknown optimizer 'adam'; did you mean"):
        WithOptimizer("fixed", optimizer="adam")
    with pytest.raises(InvalidArgument, match="learning_rate must be a number in"):
        WithOptimizer("fixed", learning_rate=2)
    with pytest.raises(InvalidArgument, match="which trains by 'prodigy'"):
        WithOptimizer("prodigy")
    with pytest.raises(InvalidArgument, match="which trains by 'adamw'"):
        WithOptimizer(WithOptimizer("fixed"))
    with pytest.raises(InvalidArgument, match="takes no yoked control"):
        WithOptimizer("yoked", {"method": "heuristic"})
    with pytest.raises(InvalidArgument, match=r"takes no oracle, .* got 'reactive_oracle'"):
        WithOptimizer("reactive_oracle")
    policy = WithOptimizer("fixed").policy(gymnasium.make(ENV, optimizer="adamw", **SMALL), [0])
    with pytest.raises(InvalidArgument, match="without FlatObservation"):
        policy.predict(np.zeros((1, 40), np.float32))
    with pytest.raises(InvalidArgument, match="make the env with optimizer='adamw'"):
        WithOptimizer("fixed").policy(gymnasium.make(ENV, **SMALL), [0])
    with pytest.raises(InvalidArgument, match="needs learning_rate among"):
        evaluate(WithOptimizer("fixed"), hyperparameters=["momentum"])
