"""Trains a controller in a plain loop, without Stable-Baselines3: evolution of a linear policy.

Every candidate controls some networks of one vector env for a whole run; the mean of the
better half becomes the centre of the next generation (the cross-entropy method).

python examples/plain_loop.py --generations 20
"""

import argparse

import gymnasium as gym
import numpy as np

import atn_gym  # noqa: F401 - registers the envs
from atn_gym.envs.wrappers import VectorFlatObservation

CANDIDATES, NETWORKS_EACH = 12, 4


def play(env, weights, seed):
    """Anytime performance of each candidate: the mean reward of its networks.

    Args:
        env: A vector env of CANDIDATES * NETWORKS_EACH networks, in DISABLED autoreset mode.
        weights: Of the candidates, shape (CANDIDATES, actions, observation size + 1).
        seed: Seed of the first network; the candidates get the same ones.
    """
    seeds = [seed + i for i in range(NETWORKS_EACH)] * CANDIDATES
    observation, _ = env.reset(seed=seeds)
    each = np.repeat(weights, NETWORKS_EACH, axis=0)
    total, running = np.zeros(len(each)), np.ones(len(each), bool)
    budget = env.unwrapped.episodes.num_epochs
    while running.any():
        inputs = np.concatenate([observation, np.ones((len(each), 1))], axis=1)
        actions = np.tanh(np.einsum("nao,no->na", each, inputs)).astype(np.float32)
        observation, rewards, terminated, _, _ = env.step(actions)
        total += rewards
        running &= ~terminated
    return total.reshape(CANDIDATES, NETWORKS_EACH).mean(axis=1) / budget


def main() -> None:
    """Prints the performance of every generation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="atn_gym/DigitsCnnPoorInit-Stationary-v0")
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=15, help="epoch budget of a run")
    arguments = parser.parse_args()
    env = VectorFlatObservation(
        gym.make_vec(
            arguments.env,
            num_envs=CANDIDATES * NETWORKS_EACH,
            autoreset_mode="Disabled",
            num_epochs=arguments.epochs,
        )
    )
    draws = np.random.default_rng(0)
    shape = (env.single_action_space.shape[0], env.single_observation_space.shape[0] + 1)
    mean, spread = np.zeros(shape), np.full(shape, 0.3)
    for generation in range(arguments.generations):
        weights = mean + spread * draws.standard_normal((CANDIDATES, *shape))
        weights[0] = mean
        scores = play(env, weights, seed=1000 * generation)
        best = weights[np.argsort(scores)[-CANDIDATES // 2 :]]
        mean, spread = best.mean(axis=0), best.std(axis=0) + 0.02
        print(f"generation {generation}: centre {scores[0]:.3f}, best {scores.max():.3f}")


if __name__ == "__main__":
    main()
