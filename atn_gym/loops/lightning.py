"""A controller in the Trainer of Lightning."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from atn_gym.errors import InvalidArgument
from atn_gym.loops.hyperparameter_scheduler import HyperparameterScheduler


class HyperparameterCallback(Callback):  # type: ignore[misc]
    """Lets a controller set the hyperparameters of a module's optimizer after every validation.

    The module has one optimizer and no learning-rate scheduler, and logs its validation loss.
    The Trainer validates once an epoch.

    Args:
        controller: As in `HyperparameterScheduler`.
        val_loss: Name under which the module logs the validation loss.
        **arguments: Further arguments of `HyperparameterScheduler`, but for optimizer and
            num_epochs, which the Trainer gives.

    Attributes:
        scheduler: The `HyperparameterScheduler`, once training has begun.

    Example:
        >>> callback = HyperparameterCallback("heuristic", num_classes=10)
    """

    def __init__(
        self, controller: Any = "heuristic", *, val_loss: str = "val_loss", **arguments: Any
    ) -> None:
        self._controller = controller
        self._val_loss = val_loss
        self._arguments = arguments
        self._resumed: dict[str, Any] | None = None
        self.scheduler: HyperparameterScheduler | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ties the controller to the optimizer."""
        optimizers, epochs = trainer.optimizers, trainer.max_epochs
        if len(optimizers) != 1 or trainer.lr_scheduler_configs:
            raise InvalidArgument(
                "a module under a controller must have one optimizer and no learning-rate "
                f"scheduler, got {len(optimizers)} and {len(trainer.lr_scheduler_configs)}"
            )
        if epochs is None or epochs < 1 or trainer.check_val_every_n_epoch != 1:
            raise InvalidArgument(
                "a Trainer with a controller needs max_epochs and check_val_every_n_epoch=1, got "
                f"{epochs} and {trainer.check_val_every_n_epoch}"
            )
        self.scheduler = HyperparameterScheduler(
            optimizers[0], self._controller, num_epochs=epochs, **self._arguments
        )
        if self._resumed is not None:
            self.scheduler.load_state_dict(self._resumed)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hands the validation loss of the epoch to the controller."""
        if self.scheduler is None or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if self._val_loss not in trainer.callback_metrics:
            raise InvalidArgument(
                f"the module must log {self._val_loss!r} in validation_step, but it logs "
                f"{', '.join(sorted(trainer.callback_metrics)) or 'nothing'}: give the name of its "
                "validation loss as val_loss"
            )
        self.scheduler.step(float(trainer.callback_metrics[self._val_loss]))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint of the Trainer keeps of it."""
        return {} if self.scheduler is None else self.scheduler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resumes from a checkpoint once there is an optimizer."""
        self._resumed = state_dict or None
