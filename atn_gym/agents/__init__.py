"""Controllers, and the policies that they are wrapped as."""

from atn_gym.agents.controller import Controller, RunSetting
from atn_gym.agents.fixed import Fixed
from atn_gym.agents.policy import ControllerError, ControllerPolicy, Policy
from atn_gym.agents.registry import CONTROLLERS, controller_factory
from atn_gym.agents.schedulers import ReduceLROnPlateau

__all__ = [
    "CONTROLLERS",
    "Controller",
    "ControllerError",
    "ControllerPolicy",
    "Fixed",
    "Policy",
    "ReduceLROnPlateau",
    "RunSetting",
    "controller_factory",
]
