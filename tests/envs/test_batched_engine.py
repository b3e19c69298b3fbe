"""The batched engine against the torch engine: gradients, updates, stacks, states, refusals."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from engine_twins import USUAL, BatchedTwins
from gymnasium.utils.env_checker import data_equivalence
from torch import Tensor, nn
from trainers import rows

from atn_gym.envs.engines import EvaluationPlan, TorchEngine
from atn_gym.envs.networks import SmallCnn
from atn_gym.errors import InvalidArgument

SCHEDULE = [
    {"learning_rate": 0.02, "momentum": 0.0, "weight_decay": 1e-2},
    USUAL,
    {"learning_rate": 0.01, "momentum": 0.0, "weight_decay": 0.0},
    {"learning_rate": 0.02, "momentum": 0.5, "weight_decay": 1e-1},
]


class Mlp(nn.Sequential):
    def __init__(self, width: int = 32) -> None:
        hidden = (nn.Linear(width, width), nn.LayerNorm(width), nn.GELU())
        super().__init__(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), *hidden)
        self.append(nn.Linear(width, 10))


class Attention(nn.Module):
    """Rows of pixels look at each other; keys and values have the same weights."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = self.key
        self.readout = nn.Linear(width, 10)
        self.register_buffer("places", torch.linspace(-1, 1, 8)[:, None])

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.embed(inputs.flatten(1, 2)) + self.places
        query, key, value = self.query(hidden), self.key(hidden), self.value(hidden)
        hidden = hidden + F.scaled_dot_product_attention(query, key, value)
        logits: Tensor = self.readout(hidden.tanh().mean(1))
        return logits


class Tokens(nn.Module):
    """Pixels become words, which are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(4, 16)
        self.readout = nn.Linear(16, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        words = self.words(inputs.flatten(1).clamp(0, 3).long())
        logits: Tensor = self.readout(words.mean(1).relu())
        return logits


def cnn() -> SmallCnn:
    return SmallCnn((1, 8, 8), 10, hidden=32)


NETWORKS: list[Callable[[], nn.Module]] = [Mlp, partial(Mlp, 13), Attention, Tokens, cnn]
ALIGNED = [Mlp, Attention, Tokens, cnn]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batch", [1, 16, 37])
def test_gradients_of_a_batch_equal_those_in_float64(
    network: Callable[[], nn.Module], batch: int
) -> None:
    twins = BatchedTwins(network)
    for engine in twins.both:
        engine.optimizer(0).param_groups[0].update(lr=1.0, momentum=0.0, weight_decay=0.0)
    before = [p.detach().clone() for p in twins.mine.model(0).parameters()]
    plan = twins.plan(1, batch, loss_scale=torch.tensor([0.7]))
    twins.mine.train([0], [plan])
    found = [b - p.detach() for b, p in zip(before, twins.mine.model(0).parameters(), strict=True)]
    model = twins.torch.model(0).double()
    loss = F.cross_entropy(model(twins.inputs[plan.order[0]].double()), twins.labels[plan.order[0]])
    expected = torch.autograd.grad(loss * 0.7, list(model.parameters()))
    error = torch.cat([(f - e).flatten() for f, e in zip(found, expected, strict=True)]).norm()
    assert error <= 1e-5 * torch.cat([e.flatten() for e in expected]).norm() + 1e-6


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_epoch_equals_that_of_torch_whatever_the_hyperparameters(
    network: Callable[[], nn.Module], optimizer: str
) -> None:
    twins = BatchedTwins(network, optimizer=optimizer)
    for i, values in enumerate([*SCHEDULE, *SCHEDULE]):
        small = values["learning_rate"] * (0.1 if optimizer == "adamw" else 1)
        twins.set({**values, "learning_rate": small})
        mine, expected = twins.train(twins.plan(seed=i))
        np.testing.assert_allclose(mine.loss, expected.loss, rtol=1e-4)
        np.testing.assert_allclose(mine.accuracy, expected.accuracy)
        twins.assert_alike()


def test_loss_scale_and_gradient_noise_equal_those_of_torch() -> None:
    twins = BatchedTwins(partial(Mlp, 13), optimizer="adamw")
    twins.set({"learning_rate": 0.001, "momentum": 0.9, "weight_decay": 0.01})
    scale = torch.tensor([0.5, 2.0, 1.0, 0.1, 1.5, 0.2, 3.0])
    plan = twins.plan(steps=7, loss_scale=scale, gradient_noise=0.5, gradient_noise_seed=5)
    mine, expected = twins.train(plan)
    np.testing.assert_allclose(mine.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(mine.scaled_loss, expected.scaled_loss, rtol=1e-5)
    twins.assert_alike()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_runs_of_a_stack_keep_their_own_data_and_hyperparameters(optimizer: str) -> None:
    twins = BatchedTwins(Mlp, optimizer=optimizer, num_runs=7)
    plans = [
        twins.plan(seed=0),
        twins.plan(seed=1, labels=twins.labels.flip(0)),
        twins.plan(seed=2, inputs=twins.inputs * 0.5),
        twins.plan(seed=3, loss_scale=torch.tensor([0.1, 2.0, 1.0, 0.5])),
        twins.plan(seed=4, gradient_noise=0.5, gradient_noise_seed=3),
        twins.plan(seed=5),
        twins.plan(seed=5),
    ]
    runs = [6, 0, 5, 1, 4, 2, 3]
    for run in runs:
        rate, momentum = 0.001 * (1 + run), (0.9, 0.0, 0.5)[run % 3]
        twins.set({"learning_rate": rate, "momentum": momentum, "weight_decay": 0.01 * run}, run)
    for _ in range(2):
        mine, expected = (engine.train(runs, plans) for engine in twins.both)
        for name in ("loss", "scaled_loss", "accuracy", "finite"):
            found = getattr(mine, name)
            np.testing.assert_allclose(found, getattr(expected, name), rtol=1e-4)
    for run in runs:
        twins.assert_alike(run)


@pytest.mark.parametrize("network", NETWORKS)
def test_loss_and_accuracy_equal_those_of_torch(network: Callable[[], nn.Module]) -> None:
    twins = BatchedTwins(network, num_samples=300, num_runs=3)
    plans = [EvaluationPlan(twins.inputs[:n], twins.labels[:n]) for n in (300, 1, 129)]
    mine, expected = (engine.evaluate([2, 0, 1], plans) for engine in twins.both)
    np.testing.assert_allclose(mine[0], expected[0], rtol=1e-5)
    np.testing.assert_array_equal(mine[1], expected[1])


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("network", ALIGNED)
def test_a_run_has_the_same_bits_whatever_trains_beside_it(
    network: Callable[[], nn.Module], set_threads: Callable[[int], None]
) -> None:
    twins = BatchedTwins(network, optimizer="adamw" if network is Mlp else "sgd", num_runs=19)
    engine = twins.mine

    def rollout(seeds: list[int], threads: int) -> dict[int, list[Any]]:
        set_threads(threads)
        runs = list(range(len(seeds)))
        for run, seed in enumerate(seeds):
            engine.reset([run], [seed], rows([{**USUAL, "learning_rate": 0.002 * (1 + seed)}]))
        noise = [0.1 if seed % 3 == 0 else 0.0 for seed in seeds]
        plans = [
            twins.plan(batch=16, seed=seed, gradient_noise=strength, gradient_noise_seed=seed)
            for seed, strength in zip(seeds, noise, strict=True)
        ]
        sizes = [90 - seed for seed in seeds]
        checks = [EvaluationPlan(twins.inputs[:n], twins.labels[:n]) for n in sizes]
        trained = [engine.train(runs, plans) for _ in range(2)]
        evaluated = engine.evaluate(runs, checks)
        return {
            seed: [
                *(result.loss[i] for result in trained),
                *(column[i] for column in evaluated),
                torch.cat([p.flatten() for p in engine.model(i).parameters()]).tolist(),
            ]
            for i, seed in enumerate(seeds)
        }

    expected = rollout(list(range(19)), threads=1)
    for seeds, threads in (([4], 1), ([4], 3), ([8, 3, 4], 2), (list(range(18, -1, -1)), 3)):
        found = rollout(seeds, threads)
        assert all(found[seed] == expected[seed] for seed in seeds)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_states_are_exchanged_between_engines(optimizer: str) -> None:
    twins = BatchedTwins(partial(Mlp, 13), optimizer=optimizer)
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
    twins = BatchedTwins(Mlp, optimizer=optimizer)
    twins.set({**USUAL, "learning_rate": 0.01})
    states = [engine.get_state(0) for engine in twins.both]
    twins.train(twins.plan())
    for engine, state in zip(twins.both, states, strict=True):
        engine.set_state(0, state)
    twins.train(twins.plan(seed=1))
    twins.assert_alike()
    for engine in twins.both:
        engine.optimizer(0).state.clear()
    twins.train(twins.plan(seed=2))
    twins.assert_alike()


def test_a_state_holds_no_more_than_the_run() -> None:
    twins = BatchedTwins(Mlp, num_runs=5)
    for engine in twins.both:
        engine.train(range(5), [twins.plan()] * 5)
    sizes = [len(pickle.dumps(engine.get_state(0))) for engine in twins.both]
    assert sizes[0] <= 1.05 * sizes[1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_run_that_is_not_finite_spoils_no_other(value: float) -> None:
    twins = BatchedTwins(Mlp, num_runs=3)
    for engine in twins.both:
        with torch.no_grad():
            next(engine.model(1).parameters()).fill_(value)
    mine, expected = (engine.train(range(3), [twins.plan()] * 3) for engine in twins.both)
    assert mine.finite.tolist() == expected.finite.tolist() == [True, False, True]
    for engine in twins.both:
        engine.reset([1], [1], rows([USUAL]))
        engine.train([1], [twins.plan()])
    for run in range(3):
        twins.assert_alike(run)


def freeze(engine: TorchEngine) -> None:
    engine.model(0).get_parameter("1.weight").requires_grad_(False)


def hook_forward(engine: TorchEngine) -> None:
    engine.model(0).register_forward_hook(lambda module, inputs, logits: 0.5 * logits)


def use_nesterov(engine: TorchEngine) -> None:
    engine.optimizer(0).param_groups[0]["nesterov"] = True


def halve_in_place(engine: TorchEngine) -> None:
    with torch.no_grad():
        engine.model(0).get_parameter("1.weight").mul_(0.5)


def replace_values(engine: TorchEngine) -> None:
    weight = engine.model(0).get_parameter("1.weight")
    weight.data = weight.data * 2
    state = engine.optimizer(0).state[weight]
    state["momentum_buffer"] = state["momentum_buffer"] * -1


@pytest.mark.parametrize(
    "change", [freeze, hook_forward, use_nesterov, halve_in_place, replace_values]
)
def test_what_a_regime_changes_in_a_run_is_trained_on(
    change: Callable[[TorchEngine], None],
) -> None:
    twins = BatchedTwins(Mlp, num_runs=2)
    for engine in twins.both:
        engine.train([0, 1], [twins.plan()] * 2)
        change(engine)  # type: ignore[arg-type]
    check = EvaluationPlan(twins.inputs, twins.labels)
    for seed in (1, 2):
        results = [engine.train([0, 1], [twins.plan(seed=seed)] * 2) for engine in twins.both]
        np.testing.assert_allclose(results[0].loss, results[1].loss, rtol=1e-4)
        losses = [engine.evaluate([0, 1], [check] * 2)[0] for engine in twins.both]
        np.testing.assert_allclose(*losses, rtol=1e-4)


class RandomFeatures(Mlp):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("features", torch.randn(3))


class Unused(Mlp):
    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("spare", nn.Parameter(torch.zeros(3)))


class Branches(Mlp):
    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = super().forward(inputs)
        return -logits if logits.sum() > 0 else logits


def with_layer(layer: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), layer, nn.Linear(16, 10))


def frozen() -> nn.Module:
    network = Mlp()
    network[1].requires_grad_(False)
    return network


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: with_layer(nn.BatchNorm1d(16)), "running statistics of BatchNorm"),
        (lambda: with_layer(nn.BatchNorm1d(16, track_running_stats=False)), "mixes the samples"),
        (
            lambda: with_layer(nn.AlphaDropout(0.5)),
            "draws random numbers, except by",
        ),
        (RandomFeatures, "needs buffers that are the same in every run"),
        (Unused, "in which every parameter takes part"),
        (Branches, "torch.func can map over its weights"),
        (frozen, "parameters are all float32 and learn"),
        (lambda: Mlp().double(), "parameters are all float32 and learn"),
    ],
)
def test_networks_that_cannot_be_stacked_are_refused(
    network: Callable[[], nn.Module], message: str
) -> None:
    with pytest.raises(
        InvalidArgument, match=rf"engine='batched' .*{message}.*: use engine='torch'"
    ):
        BatchedTwins(network)


def test_a_vector_env_trains_runs_as_single_envs_do() -> None:
    kwargs: Any = {"num_epochs": 2, "train_size": 128, "engine": "batched"}
    many: Any = gymnasium.make_vec("atn_gym/DigitsMlp-DataShift-v0", num_envs=5, **kwargs)
    many.reset(seed=10_000)
    batches = [many.step(np.zeros((5, 3), np.float32))[0] for _ in range(2)]
    one = gymnasium.make("atn_gym/DigitsMlp-DataShift-v0", **kwargs)
    one.reset(seed=10_003)
    for batch in batches:
        alone = one.step(np.zeros(3, np.float32))[0]
        assert data_equivalence(alone, {k: v[3] for k, v in batch.items()}, exact=True)
