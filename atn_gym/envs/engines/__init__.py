"""Training engines behind one narrow interface."""

from atn_gym.envs.engines.base import Engine, EpochPlan, EvaluationPlan, TrainResult
from atn_gym.envs.engines.torch_engine import TorchEngine

ENGINES = ("auto", "torch")

__all__ = ["ENGINES", "Engine", "EpochPlan", "EvaluationPlan", "TorchEngine", "TrainResult"]
