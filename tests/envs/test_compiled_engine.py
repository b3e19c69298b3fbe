"""The compiled engine against the torch engine: gradients, updates, runs, states, choice."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from engine_twins import USUAL, Shape, Twins
from gymnasium.utils.env_checker import data_equivalence
from torch import Tensor, nn
from trainers import rows

from atn_gym.envs.engines import EvaluationPlan, TorchEngine
from atn_gym.envs.networks import SmallCnn
from atn_gym.errors import InvalidArgument

# Both engines compute in float32 and add in different orders. One mini-batch agrees to
# about 1e-6; training magnifies the difference, by how much depends on the run.
GRADIENT_TOLERANCE = 1e-5
SCHEDULE = [
    {"learning_rate": 0.02, "momentum": 0.0, "weight_decay": 1e-2},
    USUAL,
    {"learning_rate": 0.01, "momentum": 0.0, "weight_decay": 0.0},
    {"learning_rate": 0.02, "momentum": 0.5, "weight_decay": 1e-1},
]


def float64_gradients(twins: Twins, samples: Tensor, scale: float) -> list[Tensor]:
    model = twins.torch.model(0).double()
    loss = F.cross_entropy(model(twins.inputs[samples].double()), twins.labels[samples])
    return list(torch.autograd.grad(loss * scale, list(model.parameters())))


GRADIENT_CASES: list[tuple[Shape, tuple[int, int], int, int, int]] = [
    ((1, 8, 8), (8, 16), 32, 10, 1),
    ((1, 8, 8), (8, 16), 32, 10, 2),
    ((1, 8, 8), (8, 16), 32, 10, 64),
    ((1, 8, 8), (8, 16), 32, 10, 70),
    ((1, 28, 28), (8, 16), 64, 10, 64),
    ((1, 28, 28), (8, 16), 64, 10, 37),
    ((3, 12, 20), (5, 10), 9, 3, 37),
    ((3, 13, 9), (12, 7), 17, 17, 9),
    ((2, 4, 4), (1, 9), 1, 2, 5),
    ((8, 8, 4), (7, 15), 3, 2, 33),
]


@pytest.mark.parametrize(("shape", "channels", "hidden", "classes", "batch"), GRADIENT_CASES)
def test_gradients_of_a_batch_equal_those_in_float64(
    shape: Shape, channels: tuple[int, int], hidden: int, classes: int, batch: int
) -> None:
    twins = Twins(shape, channels, hidden, classes)
    plan = twins.plan(1, batch, loss_scale=torch.tensor([0.7]))
    twins.compiled.train([0], [plan])
    flat = torch.from_numpy(twins.compiled._spaces[0].gradient[twins.compiled._noise_places])
    expected = float64_gradients(twins, plan.order[0], 0.7)
    found = flat.split([g.numel() for g in expected])
    for mine, exact in zip(found, expected, strict=True):
        error = (mine - exact.flatten()).norm()
        assert error <= GRADIENT_TOLERANCE * exact.norm()


@pytest.mark.parametrize(("shape", "channels", "hidden", "classes", "batch"), GRADIENT_CASES)
def test_loss_and_accuracy_equal_those_of_torch(
    shape: Shape, channels: tuple[int, int], hidden: int, classes: int, batch: int
) -> None:
    twins = Twins(shape, channels, hidden, classes)
    plan = EvaluationPlan(twins.inputs[:batch], twins.labels[:batch])
    compiled, expected = (engine.evaluate([0], [plan]) for engine in twins.both)
    np.testing.assert_allclose(compiled[0], expected[0], rtol=1e-6)
    np.testing.assert_array_equal(compiled[1], expected[1])


@pytest.mark.parametrize(("shape", "channels", "hidden", "classes", "batch"), GRADIENT_CASES)
def test_operations_are_those_that_torch_counts(
    shape: Shape, channels: tuple[int, int], hidden: int, classes: int, batch: int
) -> None:
    twins = Twins(shape, channels, hidden, classes)
    compiled, expected = (engine.count_flops(twins.inputs[:batch]) for engine in twins.both)
    assert compiled == expected


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_updates_equal_those_of_torch_whatever_the_hyperparameters(optimizer: str) -> None:
    twins = Twins(optimizer=optimizer)
    for i, values in enumerate([*SCHEDULE, *SCHEDULE]):
        small = values["learning_rate"] * (0.1 if optimizer == "adamw" else 1)
        twins.set({**values, "learning_rate": small})
        compiled, expected = twins.train(twins.plan(seed=i))
        np.testing.assert_allclose(compiled.loss, expected.loss, rtol=1e-4)
        twins.assert_alike()


def test_the_momentum_of_the_first_step_is_the_gradient() -> None:
    twins = Twins()
    twins.set({**USUAL, "weight_decay": 0.1})
    twins.train(twins.plan(steps=1))
    twins.assert_alike()


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_loss_scale_and_gradient_noise_equal_those_of_torch(
    noise: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So little is drawn at a time that the epoch is trained in parts.
    monkeypatch.setattr("atn_gym.envs.engines.compiled_engine._NOISE_AT_ONCE", 10_000)
    twins = Twins(optimizer="adamw")
    twins.set({"learning_rate": 0.001, "momentum": 0.9, "weight_decay": 0.01})
    scale = torch.tensor([0.5, 2.0, 1.0, 0.1, 1.5, 0.2, 3.0])
    plan = twins.plan(steps=7, loss_scale=scale, gradient_noise=noise, gradient_noise_seed=5)
    compiled, expected = twins.train(plan)
    np.testing.assert_allclose(compiled.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(compiled.scaled_loss, expected.scaled_loss, rtol=1e-5)
    np.testing.assert_allclose(compiled.accuracy, expected.accuracy)
    twins.assert_alike()


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_a_run_has_the_same_bits_whatever_trains_beside_it(
    set_threads: Callable[[int], None],
) -> None:
    def rollout(seeds: list[int], threads: int) -> dict[int, list[Any]]:
        set_threads(threads)
        env: Any = gymnasium.make_vec(
            "atn_gym/DigitsCnn-Mixture-v0", num_envs=len(seeds), num_epochs=3, train_size=256
        )
        env.reset(seed=seeds)
        for _ in range(3):
            env.step(np.full((len(seeds), 3), 0.1, np.float32))
        runs = range(len(seeds))
        episodes = env.unwrapped.episodes
        return {seeds[i]: [episodes.info(i), episodes.get_state(i)["trainer"]] for i in runs}

    def same(first: Any, second: Any) -> bool:
        weights = [state["engine"]["model"] for state in (first[1], second[1])]
        return data_equivalence(first[0], second[0], exact=True) and all(
            torch.equal(weights[0][name], weights[1][name]) for name in weights[0]
        )

    expected = rollout(list(range(9)), threads=1)
    for seeds, threads in (([4], 1), ([4], 3), ([8, 3, 4], 2), (list(range(8, -1, -1)), 3)):
        found = rollout(seeds, threads)
        assert all(same(found[seed], expected[seed]) for seed in seeds)


def test_initial_weights_are_those_of_torch() -> None:
    twins = Twins()
    states = [engine.get_state(0)["model"] for engine in twins.both]
    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_states_are_exchanged_between_engines(optimizer: str) -> None:
    twins = Twins(optimizer=optimizer)
    twins.set({**USUAL, "learning_rate": 0.001})
    for source, target in (twins.both, twins.both[::-1]):
        source.train([0], [twins.plan(seed=1)])
        state = source.get_state(0)
        target.set_state(0, pickle.loads(pickle.dumps(state)))
        torch.testing.assert_close(target.get_state(0), state, rtol=0, atol=0)
        twins.train(twins.plan(seed=2))
        twins.assert_alike()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_optimizer_that_has_lost_its_state_starts_anew(optimizer: str) -> None:
    twins = Twins(optimizer=optimizer)
    twins.set({**USUAL, "learning_rate": 0.01})
    states = [engine.get_state(0) for engine in twins.both]
    twins.train(twins.plan())
    for engine, state in zip(twins.both, states, strict=True):
        engine.set_state(0, state)
    twins.set({**USUAL, "learning_rate": 0.001})
    twins.train(twins.plan(seed=1))
    twins.assert_alike()
    for engine in twins.both:
        engine.optimizer(0).state.clear()
    twins.train(twins.plan(seed=2))
    twins.assert_alike()


def test_a_state_holds_no_more_than_the_run() -> None:
    twins = Twins()
    twins.train(twins.plan())
    sizes = [len(pickle.dumps(engine.get_state(0))) for engine in twins.both]
    assert sizes[0] <= 1.05 * sizes[1]


@pytest.mark.parametrize("name", [name for name, _ in SmallCnn((1, 8, 8), 10).named_parameters()])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_weight_that_is_not_finite_is_seen_as_torch_sees_it(name: str, value: float) -> None:
    twins = Twins()
    for engine in twins.both:
        with torch.no_grad():
            parameter = engine.model(0).get_parameter(name)
            parameter[(0,) * parameter.ndim] = value
    compiled, expected = twins.train(twins.plan())
    assert not compiled.finite[0]
    assert not expected.finite[0]
    assert 0 <= compiled.accuracy[0] <= 1
    plan = EvaluationPlan(twins.inputs, twins.labels)
    losses = [engine.evaluate([0], [plan])[0][0] for engine in twins.both]
    assert np.isfinite(losses[0]) == np.isfinite(losses[1])


@pytest.mark.parametrize("learning_rate", [1e3, 1e20, 1e38])
def test_a_run_diverges_in_both_engines_and_spoils_no_later_one(learning_rate: float) -> None:
    twins = Twins(num_runs=2)
    twins.set({**USUAL, "learning_rate": learning_rate})
    finite = [[r.finite[0] for r in twins.train(twins.plan(steps=9, seed=i))] for i in range(3)]
    assert finite[-1] == [False, False]
    for engine in twins.both:
        engine.reset([0], [0], rows([USUAL]))
    twins.train(twins.plan())
    twins.assert_alike()


def test_a_pixel_that_is_not_a_number_reaches_the_loss() -> None:
    twins = Twins()
    inputs = twins.inputs.clone()
    inputs[5, 0, 3, 4] = math.nan
    for count in (5, 6):
        plan = EvaluationPlan(inputs[:count], twins.labels[:count])
        losses = [engine.evaluate([0], [plan])[0][0] for engine in twins.both]
        assert np.isnan(losses).tolist() == [count == 6] * 2


def test_what_is_written_to_weights_and_momentum_is_trained_on() -> None:
    twins = Twins()
    twins.train(twins.plan())
    for engine in twins.both:
        model, optimizer = engine.model(0), engine.optimizer(0)
        with torch.no_grad():
            model.get_parameter("conv2.weight").mul_(0.5)
        model.get_parameter("linear1.weight").data = model.get_parameter("linear1.weight") * 2
        optimizer.state[model.get_parameter("conv1.weight")]["momentum_buffer"].zero_()
        weight = model.get_parameter("linear2.weight")
        state = optimizer.state[weight]
        state["momentum_buffer"] = state["momentum_buffer"] * -1
    twins.assert_alike()
    twins.train(twins.plan(seed=1))
    twins.assert_alike()


def freeze(engine: TorchEngine) -> None:
    engine.model(0).get_parameter("conv1.weight").requires_grad_(False)


def clip_gradients(engine: TorchEngine) -> None:
    for parameter in engine.model(0).parameters():
        parameter.register_hook(lambda gradient: gradient.clamp(-1e-3, 1e-3))


def hook_forward(engine: TorchEngine) -> None:
    engine.model(0).register_forward_hook(lambda module, inputs, logits: 0.5 * logits)


def replace_forward_of_a_layer(engine: TorchEngine) -> None:
    layer: Any = engine.model(0).get_submodule("linear2")
    layer.forward = lambda inputs, plain=layer.forward: 0.5 * plain(inputs)


def pad_with_the_border(engine: TorchEngine) -> None:
    layer: Any = engine.model(0).get_submodule("conv1")
    layer.padding_mode, layer._reversed_padding_repeated_twice = "replicate", [1, 1, 1, 1]


def use_nesterov(engine: TorchEngine) -> None:
    engine.optimizer(0).param_groups[0]["nesterov"] = True


def replace_layer(engine: TorchEngine) -> None:
    model = engine.model(0)
    old = model.get_submodule("conv2")
    assert isinstance(old, nn.Conv2d)
    new = nn.Conv2d(8, 16, 3, padding=1, bias=False)
    new.weight.data = old.weight.data.clone()
    model.register_module("conv2", new)


@pytest.mark.parametrize(
    "change",
    [
        freeze,
        clip_gradients,
        hook_forward,
        replace_forward_of_a_layer,
        pad_with_the_border,
        use_nesterov,
        replace_layer,
    ],
)
def test_what_a_regime_changes_beyond_values_is_trained_by_torch(
    change: Callable[[TorchEngine], None],
) -> None:
    twins = Twins()
    twins.train(twins.plan())
    for engine in twins.both:
        change(engine)
    plan = EvaluationPlan(twins.inputs, twins.labels)
    for seed in (1, 2):
        compiled, expected = twins.train(twins.plan(seed=seed))
        np.testing.assert_allclose(compiled.loss, expected.loss, rtol=1e-4)
        losses = [engine.evaluate([0], [plan])[0] for engine in twins.both]
        np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": torch.full((96,), 10)}, "labels must be int64 from 0 to 9"),
        ({"labels": torch.full((96,), -1)}, "labels must be int64 from 0 to 9"),
        ({"inputs": torch.zeros(96, 1, 8, 9)}, r"shape \(96, 1, 8, 8\), got .* \(96, 1, 8, 9\)"),
        ({"inputs": torch.zeros(96, 1, 8, 8).double()}, "float32 tensor .* got torch.float64"),
        ({"order": torch.tensor([[96]])}, "samples from 0 to 95, got 96 to 96"),
    ],
)
def test_kernels_never_read_beyond_the_data(fields: dict[str, Tensor], message: str) -> None:
    twins = Twins()
    with pytest.raises(InvalidArgument, match=message):
        twins.compiled.train([0], [twins.plan(**fields)])


def test_inputs_may_be_strided() -> None:
    twins = Twins((2, 8, 8), channels=(8, 16))
    strided = twins.inputs.to(memory_format=torch.channels_last).requires_grad_()
    compiled, expected = twins.train(twins.plan(inputs=strided))
    np.testing.assert_allclose(compiled.loss, expected.loss, rtol=1e-5)
