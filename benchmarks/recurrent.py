"""Does an agent gain by a memory of its own, or is a window of past epochs enough?

PPO with a window of ten epochs, PPO that observes two, and RecurrentPPO that observes two and has
an LSTM, on `NoisyQuadratic` with a hidden scale. Each trains on the same number of epochs, with the
same hyperparameters and seeds, and is scored on held-out seeds. Needs the extra `contrib`.

    python benchmarks/recurrent.py
    python benchmarks/recurrent.py --epochs 30000 --trainings 1
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from atn_gym.agents.algorithms import load_model
from atn_gym.arrays import FloatArray
from atn_gym.envs.wrappers import VectorFlatObservation
from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import bootstrap, paired_difference
from atn_gym.training.config import TrainingConfig
from atn_gym.training.log import LOG, read_log
from atn_gym.training.train import train

TASK = "atn_gym/NoisyQuadraticUnknownScale"
REGIMES = ("Stationary", "DataShift", "OptimizerSensitivityShift")
NETWORK = {"net_arch": [64, 64], "log_std_init": -0.7}
KINDS: dict[str, dict[str, Any]] = {
    "PPO, window of 10": {"window": 10},
    "PPO, window of 2": {"window": 2},
    "RecurrentPPO, window of 2": {
        "window": 2,
        "algorithm": "RecurrentPPO",
        "policy": "MlpLstmPolicy",
        "network": {**NETWORK, "lstm_hidden_size": 64},
    },
}
"""What is compared, by its name in the table."""
_FIRST_SEED = 20_000


def config(kind: str, epochs: int, seed: int, results: Path) -> TrainingConfig:
    """The training of one kind by one seed."""
    chosen = dict(KINDS[kind])
    window, network = chosen.pop("window"), chosen.pop("network", NETWORK)
    return TrainingConfig.model_validate(
        {
            "experiment": f"recurrent_{list(KINDS).index(kind)}_{seed}",
            "algorithm": "PPO",
            **chosen,
            "falls": True,
            "envs": [
                {"id": f"{TASK}-Stationary-v0", "window": window},
                {"id": f"{TASK}-DataShift-v0", "window": window, "trigger": [0.04, 0.8]},
                {
                    "id": f"{TASK}-OptimizerSensitivityShift-v0",
                    "window": window,
                    "trigger": [0.04, 0.8],
                },
            ],
            "n_envs": 48,
            "n_timesteps": epochs,
            "seed": _FIRST_SEED + 1000 * seed,
            "hyperparameters": {
                "n_steps": 30,
                "batch_size": 480,
                "gamma": 0.97,
                "learning_rate": "lin_1e-3",
                "policy_kwargs": network,
            },
            "results": results,
        }
    )


def rewards(model: Any, env_id: str, window: int, seeds: int) -> FloatArray:
    """Anytime performance of deterministic runs, (seeds,); `evaluate` would plan their optima."""
    env: Any = gymnasium.make_vec(
        env_id, num_envs=seeds, autoreset_mode=AutoresetMode.DISABLED, window=window
    )
    flat = VectorFlatObservation(env, falls=True)
    observation, _ = flat.reset(seed=list(range(seeds)))
    budget = env.unwrapped.episodes.num_epochs
    total, state, start = np.zeros(seeds), None, np.ones(seeds, np.bool_)
    for _ in range(budget):
        actions, state = model.predict(observation, state, start, deterministic=True)
        observation, received, *_ = flat.step(actions)
        total, start = total + received, np.zeros(seeds, np.bool_)
    mean_reward: FloatArray = total / budget
    return mean_reward


def scores(made: TrainingConfig, seeds: int) -> tuple[FloatArray, float]:
    """Anytime performance of a trained agent, (regimes, seeds), and seconds of its training."""
    folder = made.results / made.experiment
    model = load_model(made.algorithm, str(train(made, folder)))
    window = made.envs[0].kwargs["window"]
    values = [rewards(model, f"{TASK}-{regime}-v0", window, seeds) for regime in REGIMES]
    elapsed = [row["time/time_elapsed"] for row in read_log(folder / LOG) if "time/fps" in row]
    return np.array(values), max(elapsed)


def main() -> None:
    """Trains what is not trained yet, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=72_000, help="epochs of each training")
    parser.add_argument("--trainings", type=int, default=3, help="trainings of each kind")
    parser.add_argument("--seeds", type=int, default=100, help="held-out seeds of the scores")
    parser.add_argument("--results", type=Path, default=Path("results"))
    options = parser.parse_args()
    print(
        "| agent | anytime performance | of each training | less PPO with a window of 10 | "
        "seconds |\n|---|--:|---|--:|--:|"
    )
    first = None
    for kind in KINDS:
        made = [
            scores(config(kind, options.epochs, seed, options.results), options.seeds)
            for seed in range(options.trainings)
        ]
        each, seconds = zip(*made, strict=True)
        # Trainings of one kind are averaged by seed: the interval is over the runs only.
        values = np.mean(each, axis=0)
        first = values if first is None else first
        estimate = bootstrap(values, mean, np.random.default_rng(0))
        less = paired_difference(values, first, np.random.default_rng(0))
        difference = f"{less.value:+.3f} [{less.low:+.3f}, {less.high:+.3f}]"
        trainings = ", ".join(f"{one.mean():.3f}" for one in each)
        print(
            f"| {kind} | {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}] | "
            f"{trainings} | {difference} | {np.mean(seconds):.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
