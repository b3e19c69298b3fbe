"""Regimes: the non-stationarities of the benchmark, one module each."""

from atn_gym.envs.regimes.base import PROFILES, Regime, Stationary
from atn_gym.envs.regimes.codes import in_numbers
from atn_gym.envs.regimes.curriculum_shift import CurriculumShift
from atn_gym.envs.regimes.data_shift import DataShift
from atn_gym.envs.regimes.loss_perturbation import LossPerturbation
from atn_gym.envs.regimes.mixture import HELD_OUT_KINDS, MIXTURE_SPLITS, Mixture
from atn_gym.envs.regimes.optimizer_sensitivity_shift import OptimizerSensitivityShift
from atn_gym.envs.regimes.transforms import Contrast, GaussianNoise, Permutation, Rotation

__all__ = [
    "HELD_OUT_KINDS",
    "MIXTURE_SPLITS",
    "PROFILES",
    "Contrast",
    "CurriculumShift",
    "DataShift",
    "GaussianNoise",
    "LossPerturbation",
    "Mixture",
    "OptimizerSensitivityShift",
    "Permutation",
    "Regime",
    "Rotation",
    "Stationary",
    "in_numbers",
]
