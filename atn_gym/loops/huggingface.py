"""A controller in the Trainer of Hugging Face transformers."""

from __future__ import annotations

from typing import Any

from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from atn_gym.errors import InvalidArgument
from atn_gym.loops.hyperparameter_scheduler import HyperparameterScheduler


class HyperparameterCallback(TrainerCallback):  # type: ignore[misc]
    """Lets a controller set the hyperparameters of a `Trainer` after every evaluation.

    The Trainer must evaluate once an epoch and keep its own learning rate constant:
    `TrainingArguments(eval_strategy="epoch", lr_scheduler_type="constant")`. The controller
    observes `eval_loss`, `eval_accuracy` if there is one, and the training loss that was logged
    last.

    Args:
        controller: As in `HyperparameterScheduler`.
        **arguments: Further arguments of it, but for optimizer and num_epochs, which the Trainer
            gives.

    Attributes:
        scheduler: The `HyperparameterScheduler`, once training has begun.

    Example:
        >>> callback = HyperparameterCallback("heuristic", num_classes=3)
    """

    def __init__(self, controller: Any = "heuristic", **arguments: Any) -> None:
        self._controller = controller
        self._arguments = arguments
        self.scheduler: HyperparameterScheduler | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Ties the controller to the optimizer."""
        for name, wanted in (("eval_strategy", "epoch"), ("lr_scheduler_type", "constant")):
            found = str(getattr(getattr(args, name), "value", getattr(args, name)))
            if found != wanted:
                raise InvalidArgument(
                    f"TrainingArguments must have {name}={wanted!r} under a controller, got "
                    f"{found!r}"
                )
        optimizer = getattr(kwargs["optimizer"], "optimizer", kwargs["optimizer"])
        self.scheduler = HyperparameterScheduler(
            optimizer,
            self._controller,
            num_epochs=round(args.num_train_epochs),
            **self._arguments,
        )
        self._keep(kwargs["lr_scheduler"])

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Hands the metrics of the epoch to the controller."""
        if self.scheduler is None or self.scheduler.last_epoch == self.scheduler.num_epochs:
            return
        metrics = kwargs["metrics"]
        logged = [entry["loss"] for entry in state.log_history if "loss" in entry]
        self.scheduler.step(
            metrics["eval_loss"],
            val_accuracy=metrics.get("eval_accuracy"),
            train_loss=logged[-1] if logged else None,
        )
        self._keep(kwargs["lr_scheduler"])

    @staticmethod
    def _keep(lr_scheduler: Any) -> None:
        """Makes the constant schedule of the Trainer hold what the controller set."""
        lr_scheduler.base_lrs = [group["lr"] for group in lr_scheduler.optimizer.param_groups]
