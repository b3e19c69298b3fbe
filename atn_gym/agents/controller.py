"""The interface of the benchmark: a controller observes a metric and proposes values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from atn_gym.envs.gradient_signals import GradientSignals
from atn_gym.envs.hyperparameters import HYPERPARAMETERS, HyperparameterSpace
from atn_gym.errors import InvalidArgument

Params = dict[str, float]


@dataclass(frozen=True)
class RunSetting:
    """What a controller knows of a run before it begins.

    Args:
        hyperparameters: The controlled hyperparameters, with their bounds.
        num_epochs: Epoch budget of the run.
        seed: Seed of the controller's own draws, from a stream of the env and the run's seed.
        window: Past epochs in an observation; None for a controller, which sees none.
    """

    hyperparameters: HyperparameterSpace
    num_epochs: int
    seed: int = 0
    window: int | None = None

    def require_learning_rate(self) -> None:
        """Checks that the learning rate is among the controlled hyperparameters.

        Raises:
            InvalidArgument: If it is not.
        """
        names = self.hyperparameters.names
        if "learning_rate" not in names:
            raise InvalidArgument(
                "this controller needs learning_rate among the controlled hyperparameters, got "
                f"{', '.join(names)}"
            )

    def with_learning_rate(self, params: Params, learning_rate: float) -> Params:
        """The same values with the learning rate nearest to the one given within the bounds."""
        low, high = HYPERPARAMETERS["learning_rate"].bounds
        return {**params, "learning_rate": min(max(learning_rate, low), high)}


class Controller(ABC):
    """Decides the hyperparameters of one run, online.

    Before the first epoch only `propose` is called; after every epoch `observe`, and
    `propose` before the next. A subclass that keeps state calls `super().__init__`.

    Args:
        setting: What is known of the run.

    Attributes:
        rollbacks: Number of returns to earlier hyperparameters.
        optimizer_evaluations: Number of metrics reported to an optimizer inside.
        signals: "gradient" if it takes `observe_signals`: the env is made with these signals.
        observes: Whether what it does may depend on what it observes. A schedule says False:
            its changes are no false alarms.
        making_runs: What it took to tune or train the controller, in whole runs; None if that
            is unknown.

    Example:
        >>> class Halving(Controller):
        ...     def observe(self, metric, step):
        ...         self.worse = metric > getattr(self, "last", metric)
        ...         self.last = metric
        ...     def propose(self, current_params):
        ...         factor = 0.5 if getattr(self, "worse", False) else 1.0
        ...         rate = max(current_params["learning_rate"] * factor, 1e-5)
        ...         return {**current_params, "learning_rate": rate}
    """

    signals: str = "loss"
    observes: bool = True
    making_runs: float | None = 0.0

    def __init__(self, setting: RunSetting) -> None:
        self.setting = setting
        self.rollbacks = 0
        self.optimizer_evaluations = 0

    @abstractmethod
    def observe(self, metric: float, step: int) -> None:
        """Takes in the outcome of an epoch.

        Args:
            metric: Observed validation loss in nats; lower is better.
            step: Number of epochs trained.
        """

    def observe_signals(self, signals: GradientSignals) -> None:  # noqa: B027 - few need them
        """Takes in gradients and weights, if `signals` is "gradient".

        Called before `observe`, and once before the first `propose`, with the initial weights.

        Args:
            signals: The gradient signals of the epoch.
        """

    @abstractmethod
    def propose(self, current_params: Params) -> Params:
        """Chooses the hyperparameters of the next epoch.

        Args:
            current_params: Those in force, in plain units by name.

        Returns:
            New values for the same names, finite and within the bounds. What is more than
            one step of an action away is approached as far as one step goes.
        """


ControllerFactory = Callable[[RunSetting], Controller]


def factory_name(factory: ControllerFactory) -> str:
    """What errors call the controllers of a factory: a class, a partial or a function."""
    made = getattr(factory, "func", factory)
    return str(getattr(made, "__name__", type(made).__name__))


def make_controller(factory: ControllerFactory, setting: RunSetting) -> Controller:
    """Makes the controller of a run.

    Raises:
        InvalidArgument: If the factory makes no controller, or an unfinished one.
        Exception: Any error of the factory.
    """
    made: object = factory(setting)
    if not isinstance(made, Controller):
        raise InvalidArgument(
            f"a factory of controllers must return a Controller, but {factory_name(factory)} "
            f"returned {made!r}"
        )
    if not hasattr(made, "setting"):
        raise InvalidArgument(
            f"__init__ of the controller {type(made).__name__} must call "
            "super().__init__(setting), and does not"
        )
    return made
