"""A controller in anyone's training loop, beside a plain torch optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import optim

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.method import Method
from atn_gym.agents.policy import Policy
from atn_gym.agents.registry import as_method
from atn_gym.envs.gradient_signals import SIGNAL_TRACKS, GradientSignals
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument, check_positive_integer, unknown_name
from atn_gym.loops.loop_run import LoopRun
from atn_gym.loops.losses import classes_at_chance, metrics_of
from atn_gym.loops.optimizer_groups import OptimizerGroups
from atn_gym.loops.signal_meter import SignalMeter


class HyperparameterScheduler:
    """Lets a controller of this package set the hyperparameters of a torch optimizer.

    It stands where a `torch.optim.lr_scheduler` stands. Before the first epoch it sets what the
    controller chooses; `step` hands it the losses of an epoch and sets what holds in the next.
    Given the same losses, a controller decides here what it decides in an env, bit for bit.

    A hyperparameter moves on a logarithmic scale within bounds, and in one epoch by at most a
    step: a decade for learning rate and weight decay, half a decade for 1 - momentum. Nothing
    is clipped silently: a value outside the bounds is an error when the scheduler is made.

    Groups of parameters may differ in learning rate and weight decay; the first group is
    controlled, and the others keep their ratio to it.

    Args:
        optimizer: Any optimizer whose groups hold lr, and perhaps weight_decay, and momentum or
            betas, of which the first is the momentum.
        controller: Name of a controller, a `Controller` class or another factory, a policy with
            `predict`, or a `Method`.
        num_epochs: Epoch budget of the run.
        num_classes: Number of classes, if the loss is a cross-entropy: an untrained network then
            has the loss ln(num_classes).
        initial_loss: Validation loss of the untrained network, > 0, if the loss is another one.
            Losses are observed up to five times this value.
        hyperparameters: Which ones are controlled. By default all that the optimizer has, but
            for a weight decay of 0, which has no place on a logarithmic scale and stays 0.
        bounds: Lowest and highest value by name, in place of the default ones.
        window: Past epochs in an observation.
        seed: Seed of the controller's own draws.
        signals: "loss", or "gradient" for observations of gradients and weights too, which a
            `SignalMeter` then measures before every `optimizer.step()`. By default what the
            controller observes.

    Raises:
        InvalidArgument: If an argument breaks its requirement, a value of the optimizer is out
            of bounds, or the controller needs an env, or signals that it is not to have.

    Example:
        >>> import torch
        >>> network = torch.nn.Linear(4, 3)
        >>> optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        >>> scheduler = HyperparameterScheduler(
        ...     optimizer, "heuristic", num_epochs=10, num_classes=3
        ... )
        >>> for val_loss in (1.1, 1.0, 1.3):  # train an epoch, then:
        ...     values = scheduler.step(val_loss)
        >>> round(optimizer.param_groups[0]["lr"], 4), values["momentum"]
        (0.0605, 0.9)
    """

    def __init__(
        self,
        optimizer: optim.Optimizer,
        controller: Any = "heuristic",
        *,
        num_epochs: int,
        num_classes: int | None = None,
        initial_loss: float | None = None,
        hyperparameters: tuple[str, ...] | list[str] | None = None,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        window: int = 10,
        seed: int = 0,
        signals: str | None = None,
    ) -> None:
        check_positive_integer("num_epochs", num_epochs)
        check_positive_integer("window", window)
        method = as_method(controller)
        observed = method.env_arguments().get("signals", "loss")
        signals = observed if signals is None else signals
        if signals not in SIGNAL_TRACKS:
            raise unknown_name("signals", signals, SIGNAL_TRACKS)
        if signals != "gradient" and observed == "gradient":
            raise InvalidArgument(
                f"the controller observes gradient signals, got signals={signals!r}: leave it out"
            )
        classes = classes_at_chance(num_classes, initial_loss)
        self._groups = OptimizerGroups(optimizer)
        names = self._groups.controllable() if hyperparameters is None else hyperparameters
        self.num_epochs = num_epochs
        self.hyperparameters = HyperparameterSpace(names, bounds)
        self._meter = SignalMeter(optimizer) if signals == "gradient" else None
        self._run = LoopRun(
            self.hyperparameters,
            num_epochs,
            window,
            classes,
            self._groups.read(self.hyperparameters),
            None if self._meter is None else self._meter.epoch(),
        )
        self._policy = self._make_policy(method, seed)
        self._state: Any = None
        self._decide()

    @property
    def last_epoch(self) -> int:
        """Number of epochs trained."""
        return self._run.last_epoch

    @property
    def values(self) -> dict[str, float]:
        """The hyperparameters in force, in plain units by name."""
        return self._run.in_force()

    def step(
        self,
        val_loss: float,
        *,
        val_accuracy: float | None = None,
        train_loss: float | None = None,
        train_accuracy: float | None = None,
        signals: GradientSignals | None = None,
    ) -> dict[str, float]:
        """Takes in the outcome of an epoch and sets the hyperparameters of the next.

        Agents observe all four metrics, controllers only the validation loss. A training loss
        that is not given is taken to be the validation loss, and an accuracy exp(-loss). A loss
        that is not finite is observed as in an env: five times the initial one.

        Args:
            val_loss: Validation loss of the epoch, >= 0 or not finite.
            val_accuracy: Validation accuracy, in [0, 1].
            train_loss: Mean training loss of the epoch, >= 0 or not finite.
            train_accuracy: Training accuracy, in [0, 1].
            signals: The gradient signals of the epoch, if they were measured elsewhere. By
                default those of the steps since the last call.

        Returns:
            The hyperparameters of the next epoch, in plain units by name.

        Raises:
            InvalidArgument: If a metric breaks its requirement, or the budget is spent.
        """
        if self.last_epoch >= self.num_epochs:
            raise InvalidArgument(
                f"step must not be called more than num_epochs={self.num_epochs} times: make the "
                "scheduler with the number of epochs that you train"
            )
        val = metrics_of("val", val_loss, val_accuracy)
        train = val
        if train_loss is not None or train_accuracy is not None:
            train = metrics_of(
                "train", val_loss if train_loss is None else train_loss, train_accuracy
            )
        self._run.record(np.array([*train, *val]), self._signals(signals))
        if self.last_epoch < self.num_epochs:
            self._decide()
        return self.values

    def _signals(self, given: GradientSignals | None) -> GradientSignals | None:
        """The gradient signals of an epoch; None if the controller does not observe them."""
        if self._meter is None:
            if given is not None:
                raise InvalidArgument(
                    "the controller observes no gradient signals, but step was given some: leave "
                    "them out, or make the scheduler with signals='gradient'"
                )
            return None
        measured = self._meter.epoch()
        found = measured if given is None else given
        if not found.steps:
            raise InvalidArgument(
                "the controller observes gradient signals, but no optimizer.step() was seen since "
                "the last epoch: make the scheduler with the optimizer that takes the steps"
            )
        return found

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes, in this process or another one.

        Plain values; with gradient signals the weights too with which the run began.
        """
        run = self._run
        state = {
            "last_epoch": run.last_epoch,
            "metrics": run.metrics[:, run.window :][:, : run.last_epoch].tolist(),
            "values": run.values[: run.last_epoch + 1].tolist(),
        }
        if self._meter is not None:
            state |= {"signals": run.gradient.tolist(), "initial_weights": self._meter.initial}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resumes a run: shows the controller its past again, and sets what it had chosen.

        Make the scheduler with the same arguments, before any step, on an optimizer that has
        the values with which the run began or the state of the interrupted one.

        Args:
            state: What `state_dict` returned.

        Raises:
            InvalidArgument: If it is not such a state, is of other hyperparameters or a longer
                run, or the controller does not decide again as it did.
        """
        run = self._run
        try:
            last_epoch = int(state["last_epoch"])
            metrics = np.array(state["metrics"], dtype=np.float64).reshape(4, last_epoch)
            values = np.array(state["values"], dtype=np.float64)
            if self._meter is not None:
                run.gradient[:] = np.array(state["signals"], dtype=np.float64)
                self._meter.resume(state["initial_weights"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgument(
                "a state must be what state_dict() of a HyperparameterScheduler returned, got "
                f"{state!r}"
            ) from error
        size = len(self.hyperparameters)
        if values.shape != (last_epoch + 1, size) or last_epoch > self.num_epochs:
            raise InvalidArgument(
                f"a state must be of at most {self.num_epochs} epochs and {size} hyperparameters, "
                f"got {last_epoch} epochs and values of shape {values.shape}: make the scheduler "
                "with the arguments that it had"
            )
        run.metrics[:, run.window : run.window + last_epoch] = metrics
        run.values[:] = values[0]
        self._state = None
        for epoch in range(min(last_epoch + 1, self.num_epochs)):
            run.last_epoch = epoch
            self._decide()
        run.last_epoch = last_epoch
        if not np.array_equal(run.values[: last_epoch + 1], values):
            raise InvalidArgument(
                "the controller does not decide as it did when the state was made: give the same "
                "controller, arguments and seed"
            )

    def _make_policy(self, method: Method, seed: int) -> Policy:
        if method.needs_env:
            raise InvalidArgument(
                f"{type(method).__name__} needs an env of the package and cannot work in "
                "another loop: choose a controller that only observes, such as 'heuristic'"
            )
        run = self._run
        method.check(RunSetting(run.hyperparameters, run.num_epochs, seed, run.window))
        return method.policy(run, [seed])

    def _decide(self) -> None:
        """Asks the policy for the next action and sets what follows from it."""
        action, self._state = self._policy.predict(
            self._run.observation(),
            self._state,
            np.array([self.last_epoch == 0]),
            deterministic=True,
        )
        self._run.act(action)
        self._groups.write(self.values)
