"""A controller in anyone's training loop, beside a plain torch optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, fields
from typing import Any

import numpy as np
from gymnasium import spaces
from torch import optim

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.method import Method
from atn_gym.agents.policy import Policy
from atn_gym.agents.registry import as_method
from atn_gym.envs.chance import diverged_metrics, metrics_at_chance
from atn_gym.envs.episodes.observations import ObservationView
from atn_gym.envs.gradient_signals import SIGNAL_TRACKS, GradientSignals
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument, check_positive_integer, unknown_name
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
        (0.055, 0.9)
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
        self.num_epochs = num_epochs
        self._num_classes = classes_at_chance(num_classes, initial_loss)
        self._groups = OptimizerGroups(optimizer)
        names = self._groups.controllable() if hyperparameters is None else hyperparameters
        self.hyperparameters = HyperparameterSpace(names, bounds)
        self._meter = SignalMeter(optimizer) if signals == "gradient" else None
        self._view = ObservationView(
            self.hyperparameters, num_epochs, window, self._num_classes, self._meter is not None
        )
        self._gradient = np.zeros((len(fields(GradientSignals)), window + num_epochs))
        if self._meter is not None:
            self._gradient[:] = np.array(astuple(self._meter.epoch()))[:, None]
        chance = metrics_at_chance(self._num_classes)
        self._signals = np.tile(np.array(chance * 2)[:, None], window + num_epochs)
        self._values = np.tile(self._groups.read(self.hyperparameters), (num_epochs + 1, 1))
        self._policy = self._make_policy(method, seed)
        self._state: Any = None
        self.last_epoch = 0
        self._decide()

    # What the policies of this package ask of an env.

    @property
    def unwrapped(self) -> HyperparameterScheduler:
        """The scheduler, as an env without wrappers gives the env."""
        return self

    @property
    def episodes(self) -> HyperparameterScheduler:
        """The scheduler, which knows the budget, the hyperparameters and the spaces."""
        return self

    @property
    def params(self) -> HyperparameterScheduler:
        """The scheduler, which knows the window."""
        return self

    @property
    def window(self) -> int:
        """Past epochs in an observation."""
        return self._view.window

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in the last epoch, by the gradient signals; 0 if there are none."""
        return int(self._gradient[-1, self.window + self.last_epoch - 1])

    def controller_seed(self, seed: int) -> int:
        """The seed itself, which an env mixes with its id."""
        return seed

    @property
    def observation_space(self) -> spaces.Dict:
        """Space of the observations, that of an env."""
        return self._view.space

    @property
    def action_space(self) -> spaces.Box:
        """Space of the actions, that of an env."""
        return spaces.Box(-1, 1, (len(self.hyperparameters),), np.float32)

    @property
    def values(self) -> dict[str, float]:
        """The hyperparameters in force, in plain units by name."""
        return self.hyperparameters.named(self._values[min(self.last_epoch + 1, self.num_epochs)])

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
        train = val if train_loss is None else metrics_of("train", train_loss, train_accuracy)
        if train_loss is None and train_accuracy is not None:
            train = metrics_of("train", val_loss, train_accuracy)
        observed = np.array([*train, *val])
        if not np.isfinite(observed).all():
            observed = np.array(diverged_metrics(self._num_classes) * 2)
        self._take_signals(signals)
        self._signals[:, self.window + self.last_epoch] = observed
        self.last_epoch += 1
        if self.last_epoch < self.num_epochs:
            self._decide()
        return self.values

    def _take_signals(self, signals: GradientSignals | None) -> None:
        """Keeps the gradient signals of an epoch, if the controller observes them."""
        if self._meter is None:
            if signals is not None:
                raise InvalidArgument(
                    "the controller observes no gradient signals, but step was given some: leave "
                    "them out, or make the scheduler with signals='gradient'"
                )
            return
        measured = self._meter.epoch()
        found = measured if signals is None else signals
        if not found.steps:
            raise InvalidArgument(
                "the controller observes gradient signals, but no optimizer.step() was seen since "
                "the last epoch: make the scheduler with the optimizer that takes the steps"
            )
        self._gradient[:, self.window + self.last_epoch] = astuple(found)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes, in this process or another one.

        Plain values; with gradient signals the weights too with which the run began.
        """
        return {
            "last_epoch": self.last_epoch,
            "metrics": self._signals[:, self.window :][:, : self.last_epoch].tolist(),
            "values": self._values[: self.last_epoch + 1].tolist(),
            **({} if self._meter is None else self._state_of(self._meter)),
        }

    def _state_of(self, meter: SignalMeter) -> dict[str, Any]:
        return {"signals": self._gradient.tolist(), "initial_weights": meter.initial}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resumes a run: shows the controller its past again, and sets what it had chosen.

        Make the scheduler with the same arguments, before any step, on an optimizer that has
        the values with which the run began or the state of the interrupted one.

        Args:
            state: What `state_dict` returned.

        Raises:
            InvalidArgument: If it is no such state, is of other hyperparameters or a longer
                run, or the controller does not decide again as it did.
        """
        try:
            last_epoch = int(state["last_epoch"])
            metrics = np.array(state["metrics"], dtype=np.float64).reshape(4, last_epoch)
            values = np.array(state["values"], dtype=np.float64)
            if self._meter is not None:
                self._gradient[:] = np.array(state["signals"], dtype=np.float64)
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
        self._signals[:, self.window : self.window + last_epoch] = metrics
        self._state = None
        self._values[:] = values[0]
        for epoch in range(min(last_epoch + 1, self.num_epochs)):
            self.last_epoch = epoch
            self._decide()
        self.last_epoch = last_epoch
        if not np.array_equal(self._values[: last_epoch + 1], values):
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
        method.check(RunSetting(self.hyperparameters, self.num_epochs, seed, self.window))
        return method.policy(self, [seed])

    def _decide(self) -> None:
        """Asks the policy for the next action and sets what follows from it."""
        epoch = self.last_epoch
        window = self._signals[:, epoch : epoch + self.window]
        values = self._values[epoch]
        gradient = None
        if self._meter is not None:
            gradient = self._gradient[:-1, None, epoch : epoch + self.window]
        observation = self._view.observation(
            window[:, None], values[None], np.array([epoch]), gradient
        )
        action, self._state = self._policy.predict(
            observation, self._state, np.array([epoch == 0]), deterministic=True
        )
        moves = np.clip(np.asarray(action, np.float64).reshape(-1), -1, 1)
        self._values[epoch + 1 :] = self.hyperparameters.apply(values, moves)
        self._groups.write(self.values)
