"""From which initial values does a task do well if left alone? A grid of constants.

Anytime performance under Stationary of every combination of the values, means over seeds from 10000
on: a row for each learning rate, a column for each pair of momentum and weight decay.

    python benchmarks/initial_values.py --task DigitsMlp --rates 1e-4 1e-3 1e-2 --decays 1e-4 1e-1
"""

from __future__ import annotations

import argparse
import itertools

from blind_schedules import Schedule, anytime_performance

import atn_gym
from atn_gym import registration
from atn_gym.envs import registry


def main() -> None:
    """Prints the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", required=True, choices=registry.task_names())
    parser.add_argument("--rates", type=float, nargs="+", required=True)
    parser.add_argument("--momenta", type=float, nargs="+", default=[0.9])
    parser.add_argument("--decays", type=float, nargs="+", default=[1e-4])
    parser.add_argument("--epochs", type=int, help="budget; that of the task by default")
    parser.add_argument("--seeds", type=int, default=3, help="seeds from 10000 on")
    parser.add_argument("--engine", default="auto")
    arguments = parser.parse_args()
    print(f"atn_gym {atn_gym.__version__}, {arguments}\n")
    num_epochs = arguments.epochs or registry.get_task(arguments.task).num_epochs
    others = list(itertools.product(arguments.momenta, arguments.decays))
    schedules = [
        Schedule("constant", ((rate, *other),) * num_epochs)
        for rate, other in itertools.product(arguments.rates, others)
    ]
    seeds = range(10_000, 10_000 + arguments.seeds)
    env_id = registration.env_id(arguments.task, "Stationary")
    kwargs = {"num_epochs": num_epochs, "engine": arguments.engine}
    scores = anytime_performance(env_id, schedules, seeds, **kwargs).mean(axis=1)
    columns = [f"{momentum:g}, {decay:g}" for momentum, decay in others]
    print(f"| learning rate | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")
    for rate, row in zip(arguments.rates, scores.reshape(len(arguments.rates), -1), strict=True):
        print(f"| {rate:g} | {' | '.join(f'{score:.3f}' for score in row)} |")


if __name__ == "__main__":
    main()
