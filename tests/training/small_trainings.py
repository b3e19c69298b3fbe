"""A training that takes a second."""

from small_envs import SMALL

ENV = {"id": "atn_gym/DigitsCnn-Mixture-v0", **SMALL}


POOR = {"id": "atn_gym/DigitsCnnPoorInit-Mixture-v0", **SMALL}


VALUES = {
    "experiment": "small",
    "algorithm": "PPO",
    "envs": [{**ENV, "split": "train"}, {**POOR, "split": "train"}],
    "n_envs": 4,
    "n_timesteps": 192,
    "hyperparameters": {"n_steps": 8, "batch_size": 16, "learning_rate": "lin_1e-3"},
    "eval_envs": [{**ENV, "split": "test"}],
    "eval_seeds": 2,
    "eval_freq": 64,
    "checkpoint_freq": 32,
}
