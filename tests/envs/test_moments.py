"""Exact moments against sampled runs, plain torch and algebra."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from atn_gym.envs.engines.moments import Moments, Quadratic, descend

RUNS = 100_000
QUADRATIC = Quadratic(np.array([3.0, 0.2]), np.array([0.5, -1.0]), np.array([0.04, 2.0]))
HYPERPARAMETERS = {"learning_rate": 0.1, "momentum": 0.8, "weight_decay": 0.05}
START = Moments(*np.array([[1.0, 2.0], [-0.3, 0.1], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))


def sampled(steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parameters and velocities (runs, dimensions) of sampled runs before and after each step."""
    draws = np.random.default_rng(0)
    curvature, target, noise = QUADRATIC
    rate, momentum, decay = HYPERPARAMETERS.values()
    theta, velocity = (np.tile(part, (RUNS, 1)) for part in START[:2])
    yield theta, velocity
    for _ in range(steps):
        x = target + np.sqrt(noise) * draws.standard_normal(theta.shape)
        velocity = momentum * velocity + curvature * (theta - x) + decay * theta
        theta = theta - rate * velocity
        yield theta, velocity


def assert_is_mean(exact: np.ndarray, samples: np.ndarray) -> None:
    """Agreement of a mean over runs within four of its standard errors."""
    error = samples.std(0) / np.sqrt(len(samples))
    assert (abs(samples.mean(0) - exact) <= 4 * error + 1e-12).all()


@pytest.mark.parametrize("steps", [1, 10, pytest.param(1000, marks=pytest.mark.slow)])
def test_moments_agree_with_sampled_runs(steps: int) -> None:
    after, square = descend(START, QUADRATIC, **HYPERPARAMETERS, steps=steps)
    squares = np.zeros((RUNS, 2))
    for theta, velocity in sampled(steps):  # noqa: B007 - the last is used
        last = (theta - QUADRATIC.target) ** 2 / steps
        squares += last
    squares -= last
    assert_is_mean(after.parameter, theta)
    assert_is_mean(after.velocity, velocity)
    theta, velocity = theta - after.parameter, velocity - after.velocity
    assert_is_mean(after.parameter_variance, theta**2)
    assert_is_mean(after.covariance, theta * velocity)
    assert_is_mean(after.velocity_variance, velocity**2)
    assert_is_mean(square, squares)


@pytest.mark.parametrize("steps", [1, 10, 100, pytest.param(1000, marks=pytest.mark.slow)])
def test_moments_agree_with_sgd_of_torch(steps: int) -> None:
    draws = torch.Generator().manual_seed(0)
    curvature, target, noise = map(torch.from_numpy, QUADRATIC)
    theta = torch.nn.Parameter(torch.from_numpy(START.parameter).repeat(RUNS, 1))
    rate, momentum, decay = HYPERPARAMETERS.values()
    sgd = torch.optim.SGD([theta], lr=rate, momentum=momentum, weight_decay=decay)
    for _ in range(steps):
        x = target + noise.sqrt() * torch.randn(theta.shape, generator=draws, dtype=theta.dtype)
        sgd.zero_grad()
        (curvature * (theta - x) ** 2 / 2).sum().backward()
        sgd.step()
    start = START._replace(velocity=np.zeros(2))
    after, _ = descend(start, QUADRATIC, **HYPERPARAMETERS, steps=steps)
    samples = theta.detach().numpy()
    assert_is_mean(after.parameter, samples)
    assert_is_mean(after.parameter_variance, (samples - after.parameter) ** 2)
    velocity = sgd.state[theta]["momentum_buffer"].numpy()
    assert_is_mean(after.velocity, velocity)
    assert_is_mean(after.velocity_variance, (velocity - after.velocity) ** 2)


@pytest.mark.parametrize("steps", range(2, 20))
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_many_steps_are_single_steps_in_turn(steps: int, momentum: float) -> None:
    hyperparameters = {**HYPERPARAMETERS, "momentum": momentum}
    at_once, square = descend(START, QUADRATIC, **hyperparameters, steps=steps)
    moments, squares = START, []
    for _ in range(steps):
        moments, first = descend(moments, QUADRATIC, **hyperparameters, steps=1)
        squares.append(first)
    np.testing.assert_allclose(at_once, moments, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(square, np.mean(squares, axis=0), rtol=1e-11)


def test_without_noise_and_momentum_the_distance_is_a_power() -> None:
    start = Moments(*np.array([[1.0], [0.0], [0.0], [0.0], [0.0]]))
    after, square = descend(start, Quadratic(0.5, 0.0, 0.0), 0.1, 0.0, 0.0, steps=20)
    assert after.parameter[0] == pytest.approx(0.95**20)
    assert square[0] == pytest.approx(np.mean(0.95 ** (2 * np.arange(20))))


def test_the_variance_settles_at_that_of_a_plain_random_walk() -> None:
    after, _ = descend(START, Quadratic(1.0, 0.0, 0.5), 0.3, 0.0, 0.0, steps=4096)
    np.testing.assert_allclose(after.parameter_variance, 0.5 * 0.3 / (2 - 0.3))


def test_a_dimension_without_curvature_and_decay_keeps_its_parameter() -> None:
    still = Moments(*np.array([[1.0], [0.0], [0.2], [0.0], [0.0]]))
    after, square = descend(still, Quadratic(0.0, 3.0, 1.0), 0.3, 0.9, 0.0, steps=7)
    assert (after.parameter[0], after.parameter_variance[0]) == pytest.approx((1.0, 0.2))
    assert square[0] == pytest.approx(4.2)


def test_torch_gives_the_same_and_gradients() -> None:
    rate = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    rest = {k: v for k, v in HYPERPARAMETERS.items() if k != "learning_rate"}
    moments, quadratic = (
        kind(*map(torch.from_numpy, values))
        for kind, values in ((Moments, START), (Quadratic, QUADRATIC))
    )
    after, _ = descend(moments, quadratic, rate, **rest, steps=13)
    after.parameter_variance.sum().backward()
    near = [
        descend(START, QUADRATIC, 0.1 + shift, **rest, steps=13)[0].parameter_variance.sum()
        for shift in (-1e-6, 0, 1e-6)
    ]
    assert after.parameter_variance.sum().item() == pytest.approx(near[1])
    assert rate.grad.item() == pytest.approx((near[2] - near[0]) / 2e-6, rel=1e-6)
