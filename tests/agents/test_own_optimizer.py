"""Methods with an optimizer of their own: what the env is made with, and what a run shows."""

import gymnasium
import pytest
import small_envs
import yaml

import atn_gym
from atn_gym.agents import CONTROLLERS, Guarded, controller_method
from atn_gym.agents.own_optimizer import OwnOptimizer
from atn_gym.config import ControllerConfig, EnvConfig, load_config
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.run_config import run_configs

ENV = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {**small_envs.SMALL, "num_epochs": 4, "train_size": 256}
NAMES = [
    name
    for name, found in CONTROLLERS.items()
    if isinstance(found, type) and issubclass(found, OwnOptimizer)
]


def evaluate(policy, **arguments):
    return atn_gym.evaluate(policy, ENV, seeds=[1], twins=False, **SMALL, **arguments)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_by_name_is_that_of_an_env_with_the_optimizer(name):
    method = controller_method(name)
    (found,) = evaluate(method).runs
    (expected,) = evaluate(CONTROLLERS["fixed"], optimizer=method.optimizer).runs
    if method.learning_rate is None:
        assert found.trace == expected.trace
    else:
        rates = [row["learning_rate"] for row in found.trace]
        assert rates[-1] == pytest.approx(method.learning_rate)
        assert rates[0] == pytest.approx(min(method.learning_rate, 0.5))
    assert found.summary["restarts"] == 0
    assert found.summary["false_alarm_rate"] is None
    assert found.summary["flops"] == expected.summary["flops"]


def test_optimizers_train_differently_on_the_same_batches():
    losses = {evaluate(CONTROLLERS[name]()).runs[0].trace[0]["train_loss"] for name in NAMES}
    assert len(losses) == len(NAMES) == 6


def test_the_twin_and_a_guard_get_the_optimizer_too():
    evaluation = atn_gym.evaluate(
        Guarded("prodigy", tolerance=1e9, radius=99), ENV, seeds=[1], trigger=3, **SMALL
    )
    (guarded,), (plain,) = evaluation.runs, evaluate("prodigy", trigger=3).runs
    assert guarded.trace == plain.trace
    assert guarded.summary["shock_cost"] is not None


def test_the_env_stays_the_same_for_all_controllers():
    env = EnvConfig(id=ENV)
    (plain,), (own,) = (
        run_configs(env, ControllerConfig(name=name), [0], True) for name in ("fixed", "prodigy")
    )
    assert plain["env"] == own["env"]
    assert own["controller"]["env_arguments"] == {"optimizer": "prodigy"}
    assert "env_arguments" not in plain["controller"]


def test_an_env_with_another_optimizer_is_refused():
    env = gymnasium.make(ENV, **SMALL)
    with pytest.raises(InvalidArgument, match=r"make the env with optimizer='prodigy'"):
        controller_method("prodigy").policy(env, [0])
    with pytest.raises(InvalidArgument, match="optimizer must be 'prodigy' for Prodigy, got"):
        evaluate("prodigy", optimizer="sgd")


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"id": ENV, "engine": "compiled"}, "engine='compiled' knows the optimizers"),
        ({"id": "atn_gym/NoisyQuadratic-Stationary-v0"}, "knows the optimizer 'sgd' only"),
        ({"id": ENV, "hyperparameters": ["momentum"]}, "needs learning_rate among"),
    ],
)
def test_what_cannot_serve_it_says_so_when_a_config_is_loaded(tmp_path, env, message):
    config = {"experiment": "own", "envs": [env], "controllers": ["prodigy"], "seeds": 1}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InvalidArgument, match=message):
        load_config(tmp_path / "own.yaml")


@pytest.mark.parametrize("rate", [0, 2.0, "high"])
def test_a_wrong_learning_rate_is_named(rate):
    with pytest.raises(InvalidArgument, match="learning_rate must be a number in"):
        controller_method("nadamw", learning_rate=rate)
