"""Stored runs of given metrics, made without training."""

from atn_gym.eval.storage.parts import RunResult
from atn_gym.eval.storage.store import ResultStore

EPOCHS, SHOCK = 10, 5
ENV = {
    "id": "atn_gym/DigitsCnn-DataShift-v0",
    "task": "DigitsCnn",
    "regime": "DataShift",
    "kind": "label_noise",
    "severity": 0.4,
    "num_epochs": EPOCHS,
    "hyperparameters": ["learning_rate", "momentum"],
}
OTHER = {**ENV, "id": "atn_gym/DigitsCnn-Stationary-v0", "regime": "Stationary", "kind": "none"}


def trace(epochs=EPOCHS):
    return [
        {
            "epoch": t + 1,
            "val_loss": 1 / (t + 1),
            "learning_rate": 0.1,
            "momentum": 0.9,
            "diverged": False,
            "gradient_steps": 17,
        }
        for t in range(epochs)
    ]


def add(root, controller="fixed", seed=0, env=ENV, rows=None, arguments=None, **summary):
    """Stores a run of one gigaflop that is worth nothing, unless told otherwise."""
    config = {"env": env, "controller": {"name": controller, **(arguments or {})}, "seed": seed}
    config = summary.pop("config", config)
    performance = summary.get("anytime_performance", 0.0)
    metrics = {
        "seed": seed,
        "version": "0.1.0",
        "anytime_performance": performance,
        "compute_adjusted_performance": (performance + 1) / 2,
        "flops": 10**9,
        "run_flops": 10**9,
        "shock_epoch": SHOCK if env is ENV else None,
        **summary,
    }
    ResultStore(root).write([RunResult(config, rows or trace(), metrics)], {})
