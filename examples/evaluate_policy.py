"""Evaluates your own policy beside the baselines, on the same seeds.

python examples/evaluate_policy.py --seeds 5
"""

import argparse

import numpy as np

import atn_gym


class SlowDown:
    """Lowers the learning rate a little after every epoch in which the loss rose.

    A policy sees batches of observations, a row for each run, and returns a row of actions
    for each: here (learning_rate, momentum, weight_decay), in decades or half decades.
    """

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        """Maps observations to actions; nothing is remembered from one to the next."""
        losses = observation["observed_val_loss"]
        actions = np.zeros((len(losses), 3), np.float32)
        actions[losses[:, -1] > losses[:, -2], 0] = -0.15
        return actions, state


def main() -> None:
    """Prints a row for each policy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="atn_gym/DigitsCnn-DataShift-v0")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="epoch budget of a run; the task's if absent")
    arguments = parser.parse_args()
    budget = {} if arguments.epochs is None else {"num_epochs": arguments.epochs}
    print(f"{'':12} anytime performance  shock cost (nats / epoch)")
    for name, policy in {"slow down": SlowDown(), "fixed": "fixed", "cosine": "cosine"}.items():
        found = atn_gym.evaluate(policy, arguments.env, seeds=arguments.seeds, **budget)
        anytime, cost = found.mean("anytime_performance"), found.mean("shock_cost")
        print(f"{name:12} {anytime:19.3f}  {cost:25.3f}")


if __name__ == "__main__":
    main()
