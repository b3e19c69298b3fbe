"""The best schedule of the noisy quadratic, against algebra, exhaustive search and the env."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

import atn_gym
from atn_gym.agents import GreedyOptimal, Optimal
from atn_gym.agents.optimal import make_planner
from atn_gym.agents.quadratic_plan import Planner, best_actions, best_next_action
from atn_gym.envs import registry
from atn_gym.envs.engines.moments import Moments, Quadratic
from atn_gym.envs.episodes.forecast import Forecast
from atn_gym.errors import InvalidArgument

KINDS = [
    ("Stationary", "none"),
    *((n, k) for n in registry.regime_names()[1:-1] for k in registry.get_regime(n).kinds),
    ("Mixture", None),
]
SEEDS = [10000, 10001, 10002]


def vector(regime="Stationary", task="NoisyQuadratic", **kwargs):
    env = gymnasium.make_vec(
        f"atn_gym/{task}-{regime}-v0",
        num_envs=len(SEEDS),
        autoreset_mode="Disabled",
        **{"num_epochs": 4, **kwargs},
    )
    env.reset(seed=SEEDS)
    return env


def planned_scores(planner, actions):
    with torch.no_grad():
        return planner.scores(torch.as_tensor(actions)).numpy()


@pytest.mark.parametrize(("regime", "kind"), KINDS)
def test_runs_go_as_forecast(regime, kind):
    env = vector(regime, "NoisyQuadraticUnknownScale", kind=kind, num_epochs=6)
    actions = np.random.default_rng(1).uniform(-0.6, 0.3, (6, len(SEEDS), 3)).astype(np.float32)
    for action in actions[:2]:
        env.step(action)
    planner = make_planner(env.unwrapped.episodes, range(len(SEEDS)))
    before = planned_scores(planner, actions[2:].astype(np.float64))
    rewards = [env.step(action)[1] for action in actions[2:]]
    np.testing.assert_allclose(before, rewards, rtol=1e-9, atol=1e-12)


def one_dimension(curvature=1.0, distance=1.0, noise=0.5, epochs=5):
    """One step an epoch in one dimension, with momentum 0 and nearly no weight decay."""
    block = np.ones((1, 1, 1))
    start = Moments(distance**0.5 * block, *(0 * block for _ in range(4)))
    quadratic = Quadratic(curvature * block, 0 * block, noise * block)
    ones = np.ones((epochs, 1))
    forecast = Forecast(
        start,
        [quadratic] * epochs,
        [(curvature * block, 0 * block)] * epochs,
        np.ones((epochs, 1, 3)),
        ones[:, :, None],
        0 * ones,
    )
    controlled = np.array([True, False, False])
    return Planner(forecast, np.array([[-0.5, 0.0, -6.0]]), controlled, np.log(10))


def test_in_one_dimension_both_references_average_the_minima():
    """The best rate is D / (k (D + s)), by which 1 / D grows by 1 / s in every step."""
    best = planned_scores(one_dimension(), best_actions(one_dimension(), 5, 200))[:, 0]
    losses = 0.5 / (1 + np.arange(1, 6) / 0.5)
    expected = np.log(np.log(10) / losses) / np.log(100)
    np.testing.assert_allclose(best, expected, atol=1e-4)
    action = best_next_action(one_dimension(), 200)[0, 0].item()
    assert 10 ** (-0.5 + action) == pytest.approx(1 / 1.5, rel=1e-2)


@pytest.mark.parametrize("regime", ["Stationary", "OptimizerSensitivityShift"])
def test_exhaustive_search_finds_nothing_better(regime):
    kwargs = {"kind": "learning_rate", "trigger": 2} if regime != "Stationary" else {}
    env = vector(regime, num_epochs=3, hyperparameters=["learning_rate"], **kwargs)
    planner = make_planner(env.unwrapped.episodes, range(len(SEEDS)))
    levels = torch.linspace(-1, 1, 21).double()
    schedules = torch.cartesian_prod(levels, levels, levels).T[:, :, None, None]
    actions = schedules.expand(-1, -1, len(SEEDS), 3)
    exhaustive = planned_scores(planner, actions).mean(0).max(0)
    found = planned_scores(planner, best_actions(planner, 3, 100)).mean(0)
    assert (found >= exhaustive - 1e-6).all()
    assert (found <= exhaustive + 0.01).all(), "a grid this fine comes close"


def test_exhaustive_search_of_the_next_epoch_finds_nothing_better():
    planner = make_planner(vector().unwrapped.episodes, range(len(SEEDS)), num_epochs=1)
    levels = torch.linspace(-1, 1, 15).double()
    grid = torch.cartesian_prod(levels, levels, levels)[None, :, None]
    exhaustive = planned_scores(planner, grid.expand(-1, -1, len(SEEDS), 3))[0].max(0)
    found = planned_scores(planner, best_next_action(planner, 40)[None])[0]
    assert (found >= exhaustive - 1e-5).all()


def test_what_is_planned_is_what_is_achieved_and_planning_ahead_pays():
    envs = "atn_gym/NoisyQuadratic-Stationary-v0"
    optimal, greedy, fixed = (
        atn_gym.evaluate(policy, envs, seeds=SEEDS, num_epochs=8)
        for policy in (Optimal(40), GreedyOptimal(10), "fixed")
    )
    performances = [e.mean("anytime_performance") for e in (optimal, greedy, fixed)]
    assert performances == sorted(performances, reverse=True)
    first = [run.trace[0]["score"] for run in (*greedy.runs, *optimal.runs)]
    assert min(first[:3]) > max(first[3:]), "the greedy one wins the first epoch"
    assert optimal.runs[0].summary["flops"] > 40 * fixed.runs[0].summary["flops"]


def test_a_single_env_gets_the_plan_of_the_vector_env():
    policy, env = Optimal(5), gymnasium.make("atn_gym/NoisyQuadratic-DataShift-v0", num_epochs=4)
    single, batch = policy.policy(env, SEEDS[:1]), vector("DataShift")
    together = policy.policy(batch, SEEDS)
    observation, _ = env.reset(seed=SEEDS[0])
    observations, _ = batch.reset(seed=SEEDS)
    for _ in range(4):
        action, actions = single.predict(observation)[0], together.predict(observations)[0]
        np.testing.assert_allclose(action, actions[0], atol=1e-6)
        observation, *_ = env.step(action)
        observations, *_ = batch.step(actions)


@pytest.mark.parametrize("method", [Optimal(), GreedyOptimal()])
def test_an_env_without_a_known_optimum_is_refused(method):
    env = gymnasium.make("atn_gym/DigitsCnn-Stationary-v0", num_epochs=2)
    with pytest.raises(InvalidArgument, match="got the task 'DigitsCnn': take a NoisyQuadratic"):
        method.policy(env, [0])
