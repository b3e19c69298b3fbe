"""Records the learning rates of GreedyLR of Hugging Face transformers.

python tests/agents/data/record_greedy_lr.py   (needs transformers >= 5.3)
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers

INITIAL = 0.05
CASES = {
    "default": {},
    "patience": {"factor": 0.5, "patience": 2},
    "waiting": {"factor": 0.7, "patience": 0, "cooldown": 2, "warmup": 1},
    "smooth": {"factor": 0.6, "patience": 1, "smooth": True, "window_size": 3},
    "reset": {"factor": 0.3, "patience": 0, "min_lr": 0.01, "reset_start": 2, "cooldown": 1},
    "below_min": {"factor": 0.5, "patience": 0, "min_lr": 0.1},
    "above_max": {"factor": 0.5, "patience": 0, "max_lr": 0.02},
    "threshold": {"factor": 0.5, "patience": 0, "threshold": 0.05},
}


def metrics() -> dict[str, list[float]]:
    """Loss curves: one that falls, one that wanders, one that jumps at half-time."""
    draws = np.random.default_rng(0)
    epochs = np.arange(40)
    falling = 2 * 0.9**epochs
    made = {
        "falling": falling,
        "wandering": 1 + 0.1 * draws.standard_normal(40).cumsum(),
        "jumping": np.where(epochs < 20, falling, 2 * 0.85 ** (epochs - 20))
        + 0.05 * draws.random(40),
    }
    return {name: np.round(values, 4).tolist() for name, values in made.items()}


def rates(losses: list[float], arguments: dict[str, object]) -> list[float]:
    """The learning rate after each loss."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=INITIAL)
    scheduler = transformers.GreedyLR(optimizer, **arguments)
    found = []
    for loss in losses:
        scheduler.step(loss)
        found.append(optimizer.param_groups[0]["lr"])
    return found


if __name__ == "__main__":
    losses = metrics()
    recorded = {
        "transformers": transformers.__version__,
        "initial": INITIAL,
        "metrics": losses,
        "traces": [
            {"arguments": arguments, "metrics": name, "rates": rates(values, arguments)}
            for arguments in CASES.values()
            for name, values in losses.items()
        ],
    }
    (Path(__file__).parent / "greedy_lr_traces.json").write_text(json.dumps(recorded) + "\n")
