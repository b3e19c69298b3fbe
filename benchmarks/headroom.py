"""How much can control win after the shock? Fixed against the best constant change.

For every regime kind of a task, a run with fixed hyperparameters is trained up to the
shock and branched by a snapshot: one branch continues unchanged, the others change the
hyperparameters once by a constant factor. Printed are the mean scores after the shock.

    python benchmarks/headroom.py --task DigitsCnn --seeds 5
    python benchmarks/headroom.py --task MnistCnn --train-size 18000 --epochs 8 --seeds 2
"""

from __future__ import annotations

import argparse
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

import atn_gym
from atn_gym import registration
from atn_gym.arrays import FloatArray
from atn_gym.envs import registry
from atn_gym.envs.chance import chance_loss, log_score
from atn_gym.envs.hyperparameters import HYPERPARAMETERS
from atn_gym.envs.regimes import Mixture

CHANGES = {
    "fixed": (0.0, 0.0, 0.0),
    "learning rate / 3.2": (-0.5, 0.0, 0.0),
    "learning rate / 10": (-1.0, 0.0, 0.0),
    "learning rate / 100": (-2.0, 0.0, 0.0),
    "learning rate x 3.2": (0.5, 0.0, 0.0),
    "1 - momentum x 3.2": (0.0, 0.5, 0.0),
    "weight decay / 1000": (0.0, 0.0, -3.0),
    "weight decay x 100": (0.0, 0.0, 2.0),
    "learning rate / 3.2, weight decay x 100": (-0.5, 0.0, 2.0),
    "learning rate / 3.2, weight decay / 100": (-0.5, 0.0, -2.0),
}
"""Total changes in decades of learning rate, 1 - momentum and weight decay."""


_STEP = np.array([h.delta for h in HYPERPARAMETERS.values()])


def branch(env_id: str, seed: int, kwargs: dict[str, Any]) -> tuple[float, FloatArray, float]:
    """Trains one seed to the shock, and every change of the table from there.

    Returns:
        The clean validation loss before the shock, and the clean validation losses after
        each epoch since the shock, shape (changes, epochs), with the loss at chance.
    """
    single = gymnasium.make(env_id, **kwargs)
    env: Any = single.unwrapped
    _, info = env.reset(seed=seed)
    shock = env.episodes.state(0).regime.shock_epoch
    shock = env.episodes.num_epochs // 2 if shock is None else shock
    idle = np.zeros(3, np.float32)
    for _ in range(shock):
        _, _, ended, _, info = env.step(idle)
        if ended:
            break
    vector: Any = gymnasium.make_vec(
        env_id, num_envs=len(CHANGES), autoreset_mode=AutoresetMode.DISABLED, **kwargs
    )
    vector.reset(seed=seed)
    vector.set_state([env.get_state()] * len(CHANGES))
    left = np.array(list(CHANGES.values())) / _STEP
    losses = []
    for _ in range(env.episodes.num_epochs - shock):
        move = np.clip(left, -1, 1)
        left = left - move
        *_, infos = vector.step(move.astype(np.float32))
        losses.append(infos["privileged"]["val_loss"])
    return info["privileged"]["val_loss"], np.array(losses).T, chance_loss(env.episodes.num_classes)


def report(env_id: str, label: str, seeds: int, kwargs: dict[str, Any]) -> str:
    """One row of the table: means over the seeds."""
    branches = [branch(env_id, seed, kwargs) for seed in range(seeds)]
    before = [loss for loss, _, _ in branches]
    losses = np.array([after for _, after, _ in branches])
    at_chance = branches[0][2]
    scores = log_score(losses, at_chance).mean(axis=(0, 2))
    linear = (1 - losses / at_chance).mean(axis=(0, 2))
    best = int(scores.argmax())
    first = losses[:, 0, 0].mean()
    return (
        f"| {label} | {np.mean(before):.3f} | {first:.3f} | {losses[:, 0].mean():.3f} "
        f"| {losses[:, best].mean():.3f} | {linear[0]:.2f} | {linear[best]:.2f} "
        f"| {scores[0]:.3f} | {scores[best]:.3f} | {list(CHANGES)[best]} |"
    )


def main() -> None:
    """Prints the table of one task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="DigitsCnn", choices=registry.task_names())
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train-size", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--kinds", nargs="*", help="only these kinds; all by default")
    parser.add_argument("--severity", type=float, help="instead of the default of each kind")
    parser.add_argument("--trigger", type=float, default=0.5, help="share of the budget")
    arguments = parser.parse_args()
    print(f"atn_gym {atn_gym.__version__}, {arguments}\n")
    print("Validation loss in nats: before the shock; fixed, right after it; means after it.\n")
    print(
        "| kind | before | at shock | fixed | best change | 1 - L / ln C, fixed | best "
        "| score, fixed | best | best change is |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in registry.regime_names():
        regime = registry.get_regime(name)
        inputs = registry.get_task(arguments.task).inputs
        for kind in () if issubclass(regime, Mixture) else regime.kinds_for(inputs):
            if arguments.kinds and kind not in arguments.kinds:
                continue
            kwargs = {
                "kind": kind,
                "severity": arguments.severity,
                "trigger": arguments.trigger,
                "train_size": arguments.train_size,
                "num_epochs": arguments.epochs,
            }
            env_id = registration.env_id(arguments.task, name)
            print(report(env_id, f"{name} {kind}", arguments.seeds, kwargs), flush=True)


if __name__ == "__main__":
    main()
