"""Trained agents as a method that needs no library of reinforcement learning."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atn_gym.agents.agent_file import SUFFIX, AgentFile, read_agent
from atn_gym.agents.controller import RunSetting
from atn_gym.agents.method import Method
from atn_gym.agents.model_policy import ModelPolicy
from atn_gym.errors import InvalidArgument, did_you_mean, unknown_name

SHIPPED = Path(__file__).parent / "shipped"
"""The folder of the agents that come with the package."""
PRETRAINED = tuple(sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}")))
"""Names of the agents that come with the package."""


@dataclass(frozen=True)
class Agent(Method):
    """Lets a trained agent decide.

    The agent is a feed-forward network on the flat vector of `FlatObservation`, stored as
    safetensors with a card that names its training, the normalisation of its observations, and
    the window and hyperparameters that it needs. Reading the file runs no code, and running the
    agent needs numpy only. `atn-gym export` makes such a file of a model that `atn-gym train`
    wrote.

    When it fails: on regimes, tasks and budgets unlike those that it was trained on. Its
    observation window and its hyperparameters must be those of the env.

    Args:
        path: The file, or the name of an agent that comes with the package: "ppo_digits".

    Raises:
        InvalidArgument: If there is no such file, or it is damaged.

    Source:
        `safetensors`, the file format of Hugging Face.
    """

    path: str

    def __post_init__(self) -> None:
        if not self._file.is_file():
            raise InvalidArgument(
                f"path must be a file that `atn-gym export` wrote, or the name of an agent that "
                f"comes with the package, got {self.path!r}: no such file; "
                f"{did_you_mean(str(self.path), PRETRAINED)}"
            )
        if self._file.suffix != SUFFIX:
            raise InvalidArgument(
                f"path must be a file that ends in {SUFFIX}, got {self.path!r}: `atn-gym "
                "export` makes one of an archive of Stable-Baselines3, which the controller 'rl' "
                "takes as it is"
            )

    @property
    def _file(self) -> Path:
        shipped = SHIPPED / f"{self.path}{SUFFIX}"
        return shipped if shipped.is_file() else Path(self.path)

    def read(self) -> AgentFile:
        """Reads the file.

        Raises:
            InvalidArgument: If it is damaged.
        """
        return read_agent(self._file)

    def check(self, setting: RunSetting) -> None:
        """Checks the card against the runs.

        Raises:
            InvalidArgument: If the file is damaged, or the agent needs another window or other
                hyperparameters.
        """
        self.read().card.check_setting(self.path, setting.window, setting.hyperparameters.names)

    def env_arguments(self) -> dict[str, Any]:
        """The gradient signals, if it observes them."""
        return self.read().card.env_arguments

    def policy(self, env: Any, seeds: Sequence[int]) -> ModelPolicy:
        """Makes the policy of the runs of an env.

        Raises:
            InvalidArgument: If the agent does not suit the env.
        """
        agent, episodes = self.read(), env.unwrapped.episodes
        agent.card.check_setting(self.path, episodes.params.window, episodes.hyperparameters.names)
        return ModelPolicy(agent.network, env, self.path, agent.card.normalisation)

    @property
    def making_runs(self) -> float | None:
        """Runs that it was trained on, by its card."""
        return self.read().card.making_runs

    def digest(self) -> str:
        """A hash of the file: another agent under the same path makes other runs."""
        return hashlib.sha256(self._file.read_bytes()).hexdigest()[:16]


def pretrained(name: str) -> Agent:
    """A trained agent that comes with the package, ready to be run.

    Args:
        name: One of `PRETRAINED`; docs/agents/ has a page on each.

    Raises:
        InvalidArgument: If there is no agent of that name.

    Example:
        >>> import atn_gym
        >>> from atn_gym.agents import pretrained
        >>> agent = pretrained("ppo_digits")
        >>> evaluation = atn_gym.evaluate(agent, "atn_gym/DigitsCnn-DataShift-v0", seeds=3)
    """
    if name not in PRETRAINED:
        raise unknown_name("agent", name, PRETRAINED)
    return Agent(name)
