"""Tasks: what is trained, from which initial hyperparameters, for how many epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from atn_gym.envs.data import load_digits, load_fashion_mnist, load_mnist
from atn_gym.envs.gain import checked_gain
from atn_gym.envs.hyperparameters import HYPERPARAMETERS, HyperparameterSpace
from atn_gym.envs.mlp import Mlp
from atn_gym.envs.modular_addition import AdditionTransformer, load_modular_addition
from atn_gym.envs.networks import SmallCnn
from atn_gym.envs.optimizers import OPTIMIZERS, check_optimizer
from atn_gym.envs.quadratic import Prototypes, load_prototypes
from atn_gym.envs.residual_network import ResidualNetwork
from atn_gym.errors import InvalidArgument, check_positive_integer, unknown_name

if TYPE_CHECKING:
    import torch

    from atn_gym.envs.data import Dataset

INPUTS = ("images", "tokens")
"""What the inputs of a task may be."""


@dataclass(frozen=True)
class Task:
    """A training problem.

    Args:
        dataset: Function from a data folder (or None) to a `Dataset`.
        initial: Initial hyperparameters by name. Of several sets a seed takes the one at its
            `beginning`.
        num_epochs: Epoch budget T of a run, >= 1.
        batch_size: Samples in a mini-batch.
        network: Called with `input_shape`, `num_classes` and `network_kwargs`; returns the
            module to train, whose forward maps (N, C, H, W) to logits (N, num_classes). An
            attribute `channels_last = True` of it asks for that memory layout. If `network` takes
            a keyword `generator`, it must draw its initial weights from that
            `torch.Generator`; if not, it draws from torch's global one, seeded for it.
        network_kwargs: Further arguments of the network, such as widths.
        optimizer: A name in `OPTIMIZERS`, or a function from parameters to a
            `torch.optim.Optimizer` whose groups know lr, weight_decay, and momentum or betas
            (momentum is then beta1). If it has `train` and `eval`, these are called before and
            after each epoch; if its attribute `needs_loss` is true, `step` is called with a
            function that returns the loss of the mini-batch.
        gain: Decades by which the effective learning rate exceeds the one that is set; a pair
            (lowest, highest) is drawn from uniformly for each run.
        inputs: "images", numbers on a grid, or "tokens", one-hot over the width of a sample.
            Kinds of regimes that need images are refused on tokens.
        batched: Whether `engine="auto"` takes the batched engine on a CPU. The number of values
            of every weight matrix must be a multiple of 16, so that a run has the same bits beside
            any number of others.

    Raises:
        InvalidArgument: If a field breaks its requirement.
    """

    dataset: Callable[..., Dataset]
    initial: tuple[Mapping[str, float], ...]
    num_epochs: int
    batch_size: int = 64
    network: Callable[..., torch.nn.Module] = SmallCnn
    network_kwargs: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str | Callable[..., torch.optim.Optimizer] = "sgd"
    gain: float | Sequence[float] = 0.0
    inputs: str = "images"
    batched: bool = False

    def __post_init__(self) -> None:
        for name in ("dataset", "network"):
            if not callable(getattr(self, name)):
                raise InvalidArgument(f"{name} must be a function, got {getattr(self, name)!r}")
        if isinstance(self.optimizer, str):
            check_optimizer(self.optimizer)
        if not isinstance(self.optimizer, str) and not callable(self.optimizer):
            raise InvalidArgument(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, or a function from parameters "
                f"to an optimizer, got {self.optimizer!r}"
            )
        for name in ("num_epochs", "batch_size"):
            check_positive_integer(name, getattr(self, name))
        if self.inputs not in INPUTS:
            raise unknown_name("sort of inputs", self.inputs, INPUTS)
        self._check_initial()
        if not isinstance(self.network_kwargs, Mapping):
            raise InvalidArgument(
                f"network_kwargs must be a dict of values by name, got {self.network_kwargs!r}"
            )
        object.__setattr__(self, "network_kwargs", dict(self.network_kwargs))
        object.__setattr__(self, "gain", checked_gain(self.gain))

    def beginning(self, seed: int) -> int:
        """Index of the initial set that a seed takes.

        Sets take turns, so that a few consecutive seeds have them all.
        """
        return seed % len(self.initial)

    def _check_initial(self) -> None:
        if not isinstance(self.initial, (list, tuple)) or not self.initial:
            raise InvalidArgument(
                "initial must be a tuple of at least one dict of hyperparameters, such as "
                f"({{...}},), got {self.initial!r}"
            )
        for values in self.initial:
            HyperparameterSpace().check(values)
            if len(values) < len(HYPERPARAMETERS):
                raise InvalidArgument(
                    f"initial hyperparameters must be exactly {', '.join(HYPERPARAMETERS)}, "
                    f"got {', '.join(values)}"
                )
        object.__setattr__(self, "initial", tuple(dict(values) for values in self.initial))


MNIST_CNN = Task(
    dataset=load_mnist,
    initial=({"learning_rate": 0.02, "momentum": 0.9, "weight_decay": 1e-4},),
    num_epochs=20,
)
FASHION_CNN = replace(MNIST_CNN, dataset=load_fashion_mnist)
DIGITS_CNN = Task(
    dataset=load_digits,
    initial=({"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4},),
    num_epochs=30,
    network_kwargs={"hidden": 32},
)
DIGITS_RESIDUAL = replace(
    DIGITS_CNN,
    network=ResidualNetwork,
    network_kwargs={"channels": (8, 16)},
)
DIGITS_MLP = replace(
    DIGITS_CNN,
    initial=({"learning_rate": 0.003, "momentum": 0.9, "weight_decay": 1e-2},),
    network=Mlp,
    network_kwargs={"widths": (64, 64)},
    optimizer="adamw",
    batched=True,
)
MODULAR_ADDITION = Task(
    dataset=load_modular_addition,
    initial=({"learning_rate": 0.003, "momentum": 0.9, "weight_decay": 1e-2},),
    num_epochs=50,
    batch_size=32,
    network=AdditionTransformer,
    optimizer="adamw",
    inputs="tokens",
    batched=True,
)
NOISY_QUADRATIC = Task(
    dataset=load_prototypes,
    initial=({"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4},),
    num_epochs=30,
    network=Prototypes,
)

_TOO_LOW = {"learning_rate": 1e-4, "momentum": 0.0, "weight_decay": 1e-2}
_TOO_HIGH = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4}

MNIST_CNN_POOR_INIT = replace(MNIST_CNN, initial=(_TOO_LOW, _TOO_HIGH))
FASHION_CNN_POOR_INIT = replace(FASHION_CNN, initial=(_TOO_LOW, _TOO_HIGH))
DIGITS_CNN_POOR_INIT = replace(DIGITS_CNN, initial=(_TOO_LOW, _TOO_HIGH))
DIGITS_RESIDUAL_POOR_INIT = replace(
    DIGITS_RESIDUAL,
    initial=(
        {"learning_rate": 3e-4, "momentum": 0.0, "weight_decay": 1e-2},
        {"learning_rate": 1.0, "momentum": 0.9, "weight_decay": 1e-4},
    ),
)
DIGITS_MLP_POOR_INIT = replace(
    DIGITS_MLP,
    initial=(
        {"learning_rate": 3e-5, "momentum": 0.0, "weight_decay": 1e-2},
        {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-2},
    ),
)
MODULAR_ADDITION_POOR_INIT = replace(
    MODULAR_ADDITION,
    initial=(
        {"learning_rate": 1e-4, "momentum": 0.0, "weight_decay": 1e-6},
        {"learning_rate": 0.03, "momentum": 0.9, "weight_decay": 1e-2},
    ),
)
NOISY_QUADRATIC_POOR_INIT = replace(NOISY_QUADRATIC, initial=(_TOO_LOW, _TOO_HIGH))

_UNKNOWN_SCALE = (-2.0, 1.0)

MNIST_CNN_UNKNOWN_SCALE = replace(MNIST_CNN, gain=_UNKNOWN_SCALE)
FASHION_CNN_UNKNOWN_SCALE = replace(FASHION_CNN, gain=_UNKNOWN_SCALE)
DIGITS_CNN_UNKNOWN_SCALE = replace(DIGITS_CNN, gain=_UNKNOWN_SCALE)
DIGITS_RESIDUAL_UNKNOWN_SCALE = replace(DIGITS_RESIDUAL, gain=_UNKNOWN_SCALE)
DIGITS_MLP_UNKNOWN_SCALE = replace(DIGITS_MLP, gain=_UNKNOWN_SCALE)
MODULAR_ADDITION_UNKNOWN_SCALE = replace(MODULAR_ADDITION, gain=_UNKNOWN_SCALE)
NOISY_QUADRATIC_UNKNOWN_SCALE = replace(NOISY_QUADRATIC, gain=_UNKNOWN_SCALE)
