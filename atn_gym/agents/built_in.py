"""The controllers and methods that come with the package, by name."""

from __future__ import annotations

from atn_gym.agents.agent import Agent
from atn_gym.agents.autotunenet import AutoTuneNet
from atn_gym.agents.autotunenet_original import AutoTuneNetOriginal
from atn_gym.agents.bandit import Bandit
from atn_gym.agents.blind import Blind
from atn_gym.agents.change_detector import ChangeDetector
from atn_gym.agents.dog import DoG
from atn_gym.agents.fixed import Fixed
from atn_gym.agents.greedy_lr import GreedyLR
from atn_gym.agents.guarded import Guarded
from atn_gym.agents.heuristic import Heuristic
from atn_gym.agents.hypergradient import Hypergradient
from atn_gym.agents.lookahead_oracle import LookaheadOracle
from atn_gym.agents.offline_bayesian import EarlyBayesian, OfflineBayesian
from atn_gym.agents.optimal import GreedyOptimal, Optimal
from atn_gym.agents.own_optimizer import (
    DAdaptSGD,
    HypergradientSGD,
    NAdamW,
    Prodigy,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
)
from atn_gym.agents.peak_schedules import LinearDecay, WarmupCosine, WarmupStableDecay
from atn_gym.agents.pid import PID
from atn_gym.agents.random_online import RandomOnline
from atn_gym.agents.range_test import RangeTest
from atn_gym.agents.reactive_oracle import ReactiveOracle
from atn_gym.agents.registry import CONTROLLERS
from atn_gym.agents.sb3_policy import SB3Policy
from atn_gym.agents.schedulers import Scheduler
from atn_gym.agents.schedules import Cosine, OneCycle, ReduceLROnPlateau, Step, WarmRestarts
from atn_gym.agents.spsa import SPSA
from atn_gym.agents.successive_halving import SuccessiveHalving
from atn_gym.agents.with_optimizer import WithOptimizer
from atn_gym.agents.yoked import Yoked

CONTROLLERS.update(
    {
        "fixed": Fixed,
        "blind": Blind,
        "scheduler": Scheduler,
        "reduce_lr_on_plateau": ReduceLROnPlateau,
        "cosine": Cosine,
        "step": Step,
        "one_cycle": OneCycle,
        "warm_restarts": WarmRestarts,
        "linear_decay": LinearDecay,
        "warmup_cosine": WarmupCosine,
        "warmup_stable_decay": WarmupStableDecay,
        "offline_bayesian": OfflineBayesian,
        "early_bayesian": EarlyBayesian,
        "successive_halving": SuccessiveHalving,
        "random_online": RandomOnline,
        "heuristic": Heuristic,
        "greedy_lr": GreedyLR,
        "range_test": RangeTest,
        "change_detector": ChangeDetector,
        "autotunenet": AutoTuneNet,
        "autotunenet_original": AutoTuneNetOriginal,
        "pid": PID,
        "bandit": Bandit,
        "spsa": SPSA,
        "dog": DoG,
        "hypergradient": Hypergradient,
        "schedule_free_sgd": ScheduleFreeSGD,
        "schedule_free_adamw": ScheduleFreeAdamW,
        "prodigy": Prodigy,
        "dadapt_sgd": DAdaptSGD,
        "hypergradient_sgd": HypergradientSGD,
        "nadamw": NAdamW,
        "with_optimizer": WithOptimizer,
        "guarded": Guarded,
        "agent": Agent,
        "rl": SB3Policy,
        "yoked": Yoked,
        "reactive_oracle": ReactiveOracle,
        "lookahead_oracle": LookaheadOracle,
        "greedy_optimal": GreedyOptimal,
        "optimal": Optimal,
    }
)
