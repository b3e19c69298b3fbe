"""Methods: what makes a policy for the runs of an env, with its arguments."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from atn_gym.agents.controller import (
    ControllerFactory,
    RunSetting,
    factory_name,
    make_controller,
)
from atn_gym.agents.controller_policy import ControllerPolicy
from atn_gym.agents.policy import Policy
from atn_gym.errors import FOREIGN_ERRORS, AtnGymError, InvalidArgument, one_line


class Method(ABC):
    """A way of controlling runs that needs more than a controller sees.

    It is validated when it is made, before any data is loaded; `policy` then ties it to an
    env. A controller is not one: each run gets its own, which sees only observations.
    """

    @property
    def needs_env(self) -> bool:
        """Whether it needs an env of the package and so cannot control a run in another loop."""
        return False

    @abstractmethod
    def policy(self, env: Any, seeds: Sequence[int]) -> Policy:
        """Makes the policy of the runs of an env.

        Args:
            env: A single or vector env of this package.
            seeds: Seed of each run.
        """

    def env_arguments(self) -> dict[str, Any]:
        """Arguments that the env must be made with, such as an optimizer."""
        return {}

    @property
    def making_runs(self) -> float | None:
        """What it took to tune or train the method, in whole runs; None if that is unknown.

        It is stated, not metered: it was spent elsewhere and before.
        """
        return 0.0

    def digest(self) -> str | None:
        """Tells apart what the arguments do not, such as the content of a file."""
        return None

    def check(self, setting: RunSetting) -> None:  # noqa: B027 - there may be nothing to check
        """Checks that the method suits runs of a setting.

        Raises:
            InvalidArgument: If it does not.
        """


@dataclass(frozen=True)
class ControllerMethod(Method):
    """A controller for each run, isolated from the failures of the others.

    Args:
        make_controller: Makes the controller of a run.
    """

    make_controller: ControllerFactory

    def policy(self, env: Any, seeds: Sequence[int]) -> ControllerPolicy:
        """Makes the policy of the runs of an env."""
        return ControllerPolicy.for_env(self.make_controller, env, seeds, isolate=True)

    def env_arguments(self) -> dict[str, Any]:
        """The signals that the class of the controllers asks for."""
        made = getattr(self.make_controller, "func", self.make_controller)
        signals = getattr(made, "signals", "loss")
        return {} if signals == "loss" else {"signals": signals}

    @property
    def making_runs(self) -> float | None:
        """What the class of the controllers says."""
        made = getattr(self.make_controller, "func", self.make_controller)
        runs: float | None = getattr(made, "making_runs", 0.0)
        return runs

    def check(self, setting: RunSetting) -> None:
        """Makes a controller, which checks its arguments."""
        name = factory_name(self.make_controller)
        with construction_errors(f"controller {name}", "made from the setting of a run"):
            make_controller(self.make_controller, setting)


@contextlib.contextmanager
def construction_errors(what: str, made: str = "made") -> Iterator[None]:
    """Names what cannot be made, unless an error of this package says what is wrong with it.

    Args:
        what: Such as "controller Mine".
        made: How it is made.

    Raises:
        InvalidArgument: If anything else is raised within.
    """
    try:
        yield
    except AtnGymError:
        raise
    except FOREIGN_ERRORS as error:
        raise InvalidArgument(
            f"{what} raised {type(error).__name__} when it was {made}: {one_line(error)}"
        ) from error
