"""Controllers, and the policies that they are wrapped as."""

from atn_gym.agents.autotunenet import AutoTuneNet, AutoTuneNetOriginal
from atn_gym.agents.bandit import Bandit
from atn_gym.agents.controller import Controller, RunSetting
from atn_gym.agents.fixed import Fixed
from atn_gym.agents.heuristic import Heuristic
from atn_gym.agents.lookahead_oracle import LookaheadOracle
from atn_gym.agents.method import Method
from atn_gym.agents.offline_bayesian import OfflineBayesian
from atn_gym.agents.pid import Pid
from atn_gym.agents.policy import ControllerError, ControllerPolicy, Policy, RunAccount
from atn_gym.agents.random_online import RandomOnline
from atn_gym.agents.registry import CONTROLLERS, controller_factory, controller_method
from atn_gym.agents.rl import Rl
from atn_gym.agents.schedulers import Cosine, OneCycle, ReduceLROnPlateau, Scheduler, Step
from atn_gym.agents.shipped_agents import pretrained
from atn_gym.agents.spsa import Spsa

__all__ = [
    "CONTROLLERS",
    "AutoTuneNet",
    "AutoTuneNetOriginal",
    "Bandit",
    "Controller",
    "ControllerError",
    "ControllerPolicy",
    "Cosine",
    "Fixed",
    "Heuristic",
    "LookaheadOracle",
    "Method",
    "OfflineBayesian",
    "OneCycle",
    "Pid",
    "Policy",
    "RandomOnline",
    "ReduceLROnPlateau",
    "Rl",
    "RunAccount",
    "RunSetting",
    "Scheduler",
    "Spsa",
    "Step",
    "controller_factory",
    "controller_method",
    "pretrained",
]
