"""Tunes a controller's arguments by Optuna, and says what that is worth on other seeds.

Tuning on the seeds that are reported would pick what was lucky on them, so the seeds here are
10000 and above; 0 to 9 only judge what was found.

python examples/tune_arguments.py --trials 20
"""

import argparse
import functools

import optuna

import atn_gym
from atn_gym.agents import RangeTest

ENV = "atn_gym/DigitsCnnUnknownScale-Stationary-v0"


def performance(arguments, seeds, budget):
    """Mean anytime performance of `range_test` with some arguments."""
    controller = functools.partial(RangeTest, **arguments)
    evaluation = atn_gym.evaluate(controller, ENV, seeds=seeds, twins=False, **budget)
    return evaluation.mean("anytime_performance")


def main() -> None:
    """Prints the best arguments, and their performance beside that of the defaults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=10, help="for tuning, and for the judgement")
    parser.add_argument("--epochs", type=int, help="epoch budget of a run; the task's if absent")
    chosen = parser.parse_args()
    budget = {} if chosen.epochs is None else {"num_epochs": chosen.epochs}

    def objective(trial):
        arguments = {
            "start": trial.suggest_float("start", 0, 2),
            "climb": trial.suggest_float("climb", 0.1, 1),
            "back_off": trial.suggest_float("back_off", 0, 1),
        }
        return performance(arguments, range(10_000, 10_000 + chosen.seeds), budget)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=chosen.trials)
    print(f"best of {chosen.trials} trials: {study.best_params}")
    for name, arguments in {"defaults": {}, "tuned": study.best_params}.items():
        print(f"{name:8} {performance(arguments, range(chosen.seeds), budget):.3f}")


if __name__ == "__main__":
    main()
