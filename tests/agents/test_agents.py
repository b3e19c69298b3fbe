"""Controllers and the policy that wraps them."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from atn_gym.agents import (
    Controller,
    ControllerError,
    ControllerPolicy,
    Fixed,
    ReduceLROnPlateau,
    RunSetting,
    controller_factory,
)
from atn_gym.agents.registry import controller_arguments
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

SETTING = RunSetting(HyperparameterSpace(), num_epochs=30)
INITIAL = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}


class Recording(Controller):
    """Notes every call, and raises the learning rate a little."""

    log: list[tuple[str, object]] = []

    def observe(self, metric, step):
        self.log.append(("observe", (metric, step)))

    def propose(self, current_params):
        self.log.append(("propose", dict(current_params)))
        rate = current_params["learning_rate"] * 1.1
        return {**current_params, "learning_rate": rate}


def digits_env(**kwargs):
    return gym.make("atn_gym/DigitsCnn-Stationary-v0", num_epochs=4, train_size=128, **kwargs)


def play(env, policy):
    observation, info = env.reset(seed=0)
    infos, state, ended = [info], None, False
    while not ended:
        action, state = policy.predict(observation, state=state)
        observation, _, ended, _, info = env.step(action)
        infos.append(info)
    return infos


def test_fixed_sends_exactly_zero_actions():
    env = digits_env()
    policy = ControllerPolicy.for_env(Fixed, env)
    observation, _ = env.reset(seed=0)
    state = None
    for _ in range(3):
        action, state = policy.predict(observation, state=state)
        np.testing.assert_array_equal(action, np.zeros(3, np.float32))
        observation, *_ = env.step(action)


def test_plateau_follows_torch_on_the_same_metrics():
    metrics = [2.0, 1.0, 1.1, 1.2, 1.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.4, 0.4, 0.4]
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.05)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=1)
    controller = ReduceLROnPlateau(SETTING, factor=0.3, patience=1)
    params = controller.propose(INITIAL)
    assert params == INITIAL
    for step, metric in enumerate(metrics, start=1):
        reference.step(metric)
        controller.observe(metric, step)
        params = controller.propose(params)
        assert params["learning_rate"] == optimizer.param_groups[0]["lr"]
    assert params["learning_rate"] < 0.05 * 0.3


def test_plateau_lowers_the_learning_rate_of_the_env():
    env = digits_env()
    factory = controller_factory("reduce_lr_on_plateau", factor=0.3, patience=0, threshold=0.99)
    rates = [
        info["hyperparameter_values"]["learning_rate"]
        for info in play(env, factory_policy(env, factory))
    ]
    np.testing.assert_allclose(rates, [0.05, 0.05, 0.05, 0.015, 0.0045], rtol=1e-5)


def factory_policy(env, factory):
    return ControllerPolicy.for_env(factory, env)


def test_controller_sees_observed_loss_and_values_in_force():
    env = gym.make("atn_gym/DigitsCnn-LossPerturbation-v0", num_epochs=3, train_size=128, trigger=0)
    Recording.log = []
    infos = play(env, ControllerPolicy.for_env(Recording, env))
    observed = [value for call, value in Recording.log if call == "observe"]
    assert [step for _, step in observed] == [1, 2]
    signals = env.unwrapped.episodes.trace(0).signals["observed_val_loss"]
    for metric, step in observed:
        clean = infos[step]["privileged"]["val_loss"]
        assert metric == pytest.approx(signals[step - 1], rel=1e-6)
        assert metric != pytest.approx(clean, rel=1e-3)
    proposed = [value for call, value in Recording.log if call == "propose"]
    for step, values in enumerate(proposed):
        assert values == pytest.approx(infos[step]["hyperparameter_values"], rel=1e-5)


def test_each_run_of_a_batch_has_a_controller_of_its_own():
    env = gym.make_vec("atn_gym/DigitsCnn-Stationary-v0", num_envs=2, num_epochs=2, train_size=128)
    policy = ControllerPolicy.for_env(Fixed, env)
    observation, _ = env.reset(seed=0)
    _, first = policy.predict(observation)
    assert first[0].controller is not first[1].controller
    draws = env.unwrapped.episodes.params.controller_seed
    assert [run.controller.setting.seed for run in first] == [draws(0), draws(1)]
    observation, *_ = env.step(np.zeros((2, 3), np.float32))
    _, second = policy.predict(observation, state=first)
    assert second[0].controller is first[0].controller
    _, third = policy.predict(observation, state=second, episode_start=np.array([True, False]))
    assert third[0].controller is not first[0].controller
    assert third[1].controller is first[1].controller


def test_autoreset_begins_new_controllers():
    env = gym.make_vec(
        "atn_gym/DigitsCnn-Stationary-v0",
        num_envs=1,
        num_epochs=2,
        train_size=128,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    policy = ControllerPolicy.for_env(Fixed, env)
    observation, _ = env.reset(seed=0)
    controllers, state = [], None
    for _ in range(4):
        action, state = policy.predict(observation, state=state)
        controllers.append(state[0].controller)
        observation, *_ = env.step(action)
    assert controllers[0] is controllers[1]
    assert controllers[1] is not controllers[2]
    assert controllers[2] is controllers[3]


class Raising(Fixed):
    def observe(self, metric, step):
        raise ZeroDivisionError("no slope yet")


class Proposing(Fixed):
    change: dict[str, float] = {}

    def propose(self, current_params):
        return {**current_params, **self.change}


def test_raising_controller_is_named_with_seed_and_epoch():
    env = digits_env()
    policy = ControllerPolicy.for_env(Raising, env, seeds=[7])
    message = (
        "controller Raising raised ZeroDivisionError at epoch 1 of the run with seed 7: no slope"
    )
    with pytest.raises(ControllerError, match=message):
        play(env, policy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": float("nan")}, "'learning_rate' must be a number in"),
        ({"learning_rate": 2.0}, "'learning_rate' must be a number in"),
        ({"momentun": 0.5}, "did you mean 'momentum'"),
    ],
)
def test_invalid_proposal_is_refused(change, message):
    env = digits_env()
    Proposing.change = change
    with pytest.raises(ControllerError, match=message):
        play(env, ControllerPolicy.for_env(Proposing, env))


def test_proposal_that_is_no_dict_is_refused():
    class Silent(Fixed):
        def propose(self, current_params):
            current_params["learning_rate"] = 0.01

    env = digits_env()
    with pytest.raises(ControllerError, match="must return a dict of values by name, got None"):
        play(env, ControllerPolicy.for_env(Silent, env))


def test_controllers_ask_for_no_checkpoint_rollback():
    env = digits_env(checkpoint_rollback=True)
    infos = play(env, ControllerPolicy.for_env(Fixed, env))
    assert [info["checkpoint_rollbacks"] for info in infos] == [0] * 5


def test_constant_target_settles():
    class Constant(Fixed):
        def propose(self, current_params):
            return {**current_params, "learning_rate": 0.010000447, "momentum": 0.8765432}

    env = digits_env()
    rates = [
        tuple(info["hyperparameter_values"].values())
        for info in play(env, ControllerPolicy.for_env(Constant, env))
    ]
    assert rates[1] != rates[0]
    assert rates[2:] == [rates[2]] * 3
    assert rates[2][:2] == pytest.approx((0.010000447, 0.8765432), rel=2e-5)


def test_missing_hyperparameter_is_refused():
    class Forgetful(Fixed):
        def propose(self, current_params):
            return {"learning_rate": 0.01}

    env = digits_env()
    with pytest.raises(ControllerError, match="must name momentum, weight_decay too"):
        play(env, ControllerPolicy.for_env(Forgetful, env))


def test_far_target_is_approached_one_step_at_a_time():
    class Far(Fixed):
        def propose(self, current_params):
            return {**current_params, "learning_rate": 0.05 * 10**-2.5}

    env = digits_env()
    infos = play(env, ControllerPolicy.for_env(Far, env))
    rates = [info["hyperparameter_values"]["learning_rate"] for info in infos]
    np.testing.assert_allclose(rates[:4], [0.05, 0.005, 0.0005, 0.05 * 10**-2.5], rtol=1e-4)


def test_schedule_without_learning_rate_is_refused():
    setting = RunSetting(HyperparameterSpace(["momentum"]), num_epochs=5)
    with pytest.raises(InvalidArgument, match="needs learning_rate"):
        ReduceLROnPlateau(setting)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("fixd", {}, "did you mean 'fixed'"),
        ("fixed", {"rate": 1}, "it takes none"),
        ("reduce_lr_on_plateau", {"patince": 1}, "did you mean 'patience'"),
        ("no_such_module:Thing", {}, "must be importable"),
        ("atn_gym.agents.fixed:Fixd", {}, "unknown class .* 'Fixd'; did you mean 'Fixed'"),
        ("json:JSONDecoder", {}, "must be a subclass of Controller"),
    ],
)
def test_unknown_controllers_and_arguments_are_named(name, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        controller_factory(name, **arguments)


class Starred(Fixed):
    def __init__(self, run, *others, gain=1.0, **further):
        super().__init__(run)


def test_a_controller_may_name_its_setting_as_it_likes_and_pass_arguments_on():
    name = f"{__name__}:Starred"
    assert controller_arguments(name, {"more": 2}) == {"gain": 1.0, "more": 2}
    assert isinstance(controller_factory(name, gain=2.0)(SETTING), Starred)


def test_a_flat_observation_is_refused_with_the_remedy():
    policy = ControllerPolicy(Fixed, SETTING.hyperparameters, SETTING.num_epochs)
    with pytest.raises(InvalidArgument, match=r"got ndarray: .* without FlatObservation"):
        policy.predict(np.zeros((1, 44), np.float32))


def test_controller_of_ones_own_by_import_string():
    factory = controller_factory("atn_gym.agents.fixed:Fixed")
    assert isinstance(factory(SETTING), Fixed)
