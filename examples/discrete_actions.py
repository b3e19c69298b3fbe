"""A controller with discrete actions: Gymnasium's DiscretizeAction and DQN.

Three choices for the learning rate, down, stay and up, in place of a continuous delta.

python examples/discrete_actions.py --timesteps 10000
"""

import argparse

import gymnasium as gym
from gymnasium.wrappers import DiscretizeAction
from stable_baselines3 import DQN
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

import atn_gym  # noqa: F401 - registers the envs
from atn_gym.envs.wrappers import FlatObservation


def make_env(epochs):
    """A Digits env of one hyperparameter with three actions."""
    env = gym.make(
        "atn_gym/DigitsCnnPoorInit-Stationary-v0",
        hyperparameters=["learning_rate"],
        num_epochs=epochs,
    )
    return Monitor(DiscretizeAction(FlatObservation(env), bins=3))


def main() -> None:
    """Trains, and prints the anytime performance before and after."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timesteps", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=15, help="epoch budget of a run")
    arguments = parser.parse_args()
    env = make_env(arguments.epochs)
    model = DQN(
        "MlpPolicy",
        env,
        learning_starts=min(1000, arguments.timesteps // 2),
        target_update_interval=500,
        exploration_final_eps=0.05,
        gamma=0.95,
        seed=0,
    )
    for moment in ("before", "after"):
        if moment == "after":
            model.learn(arguments.timesteps)
        env.reset(seed=10_000)
        total, _ = evaluate_policy(model, env, n_eval_episodes=8)
        print(f"{moment}: anytime performance {total / arguments.epochs:.3f}")


if __name__ == "__main__":
    main()
