"""Controllers, and the policies that they are wrapped as."""

from atn_gym.agents import built_in as built_in
from atn_gym.agents.agent import PRETRAINED, Agent, pretrained
from atn_gym.agents.autotunenet import AutoTuneNet
from atn_gym.agents.autotunenet_original import AutoTuneNetOriginal
from atn_gym.agents.bandit import Bandit
from atn_gym.agents.blind import Blind
from atn_gym.agents.change_detector import ChangeDetector
from atn_gym.agents.controller import Controller, RunSetting
from atn_gym.agents.controller_policy import ControllerPolicy
from atn_gym.agents.dog import DoG
from atn_gym.agents.fixed import Fixed
from atn_gym.agents.greedy_lr import GreedyLR
from atn_gym.agents.guarded import Guarded
from atn_gym.agents.heuristic import Heuristic
from atn_gym.agents.hypergradient import Hypergradient
from atn_gym.agents.lookahead_oracle import LookaheadOracle
from atn_gym.agents.method import Method
from atn_gym.agents.offline_bayesian import OfflineBayesian
from atn_gym.agents.optimal import GreedyOptimal, Optimal
from atn_gym.agents.peak_schedules import LinearDecay, WarmupCosine, WarmupStableDecay
from atn_gym.agents.pid import PID
from atn_gym.agents.policy import ControllerError, Policy, RunAccount
from atn_gym.agents.random_online import RandomOnline
from atn_gym.agents.range_test import RangeTest
from atn_gym.agents.reactive_oracle import ReactiveOracle
from atn_gym.agents.registry import CONTROLLERS, controller_factory, controller_method
from atn_gym.agents.sb3_policy import SB3Policy
from atn_gym.agents.schedulers import Scheduler
from atn_gym.agents.schedules import Cosine, OneCycle, ReduceLROnPlateau, Step, WarmRestarts
from atn_gym.agents.spsa import SPSA
from atn_gym.agents.with_optimizer import WithOptimizer
from atn_gym.agents.yoked import Yoked

__all__ = [
    "CONTROLLERS",
    "PID",
    "PRETRAINED",
    "SPSA",
    "Agent",
    "AutoTuneNet",
    "AutoTuneNetOriginal",
    "Bandit",
    "Blind",
    "ChangeDetector",
    "Controller",
    "ControllerError",
    "ControllerPolicy",
    "Cosine",
    "DoG",
    "Fixed",
    "GreedyLR",
    "GreedyOptimal",
    "Guarded",
    "Heuristic",
    "Hypergradient",
    "LinearDecay",
    "LookaheadOracle",
    "Method",
    "OfflineBayesian",
    "OneCycle",
    "Optimal",
    "Policy",
    "RandomOnline",
    "RangeTest",
    "ReactiveOracle",
    "ReduceLROnPlateau",
    "RunAccount",
    "RunSetting",
    "SB3Policy",
    "Scheduler",
    "Step",
    "WarmRestarts",
    "WarmupCosine",
    "WarmupStableDecay",
    "WithOptimizer",
    "Yoked",
    "controller_factory",
    "controller_method",
    "pretrained",
]
