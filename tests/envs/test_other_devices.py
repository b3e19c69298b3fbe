"""Training away from the CPU, on tensors without values: no GPU is needed.

Fake tensors know their shape and device, and refuse an operation on two devices. torch computes
no gradients of fake tensors on "cuda" where no GPU is, so that they are put on a device of another
name. What is read from them is made up, and counted.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.overrides import TorchFunctionMode

from atn_gym.envs.data import RunData, load_dataset
from atn_gym.envs.engines.stacked_optimizer import _AdamW
from atn_gym.envs.episodes import trainer as trainers
from atn_gym.envs.episodes.trainer import Trainer
from atn_gym.envs.registry import get_regime, get_task
from atn_gym.envs.tasks import Task
from atn_gym.envs.torch_settings import global_generator_seeded

DEVICE = "lazy:0"
RUNS = range(3)
VALUES = np.tile([0.01, 0.9, 1e-3], (3, 1))


class Reads(TorchFunctionMode):
    """Makes up what is read from fake tensors, and counts reads of those on the device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        read = getattr(self, f"read_{name}", None)
        if read is None or not isinstance(args[0], FakeTensor):
            return func(*args, **(kwargs or {}))
        return read(*args)

    def values(self, tensor: Tensor) -> Any:
        self.count += tensor.device.type == "lazy"
        return np.ones(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))

    def read_tolist(self, tensor: Tensor) -> Any:
        return self.values(tensor).tolist()

    def read_numpy(self, tensor: Tensor) -> Any:
        assert tensor.device.type == "cpu"
        return self.values(tensor)

    def read_item(self, tensor: Tensor) -> float:
        return float(self.values(tensor))

    read___float__ = read_item

    def read___int__(self, tensor: Tensor) -> int:
        return int(self.values(tensor))

    def read___bool__(self, tensor: Tensor) -> bool:
        return bool(self.values(tensor))

    def read_equal(self, tensor: Tensor, other: Tensor, **_: Any) -> bool:
        return bool(self.values(tensor).any())

    read_allclose = read_equal

    def read_nonzero(self, tensor: Tensor) -> Tensor:
        self.values(tensor)
        return torch.zeros(len(tensor) // 2, 1, dtype=torch.int64, device=tensor.device)

    def read_data_ptr(self, tensor: Tensor) -> int:
        return hash((tensor.untyped_storage()._cdata, tensor.storage_offset()))

    def read___deepcopy__(self, tensor: Tensor, *_: Any) -> Tensor:
        return tensor.detach().clone()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    make = trainers.make_network

    def make_real(*arguments: Any) -> Any:
        with unset_fake_temporarily():
            return make(*arguments)

    monkeypatch.setattr(trainers, "make_network", make_real)
    place = sys.modules["torch.optim.optimizer"]
    kinds = "_get_fused_kernels_supported_devices"
    monkeypatch.setattr(place, kinds, lambda: ["cpu", "lazy"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # Modes belong to a thread.
    mode = Reads()
    monkeypatch.setattr(FakeTensor, "tolist", lambda tensor: mode.read_tolist(tensor))
    with FakeTensorMode(allow_non_fake_inputs=True), mode:
        yield mode
    torch.set_num_threads(threads)


def made(task: Task, engine: str, device: str = DEVICE, train_size: int = 256) -> Trainer:
    with unset_fake_temporarily():
        dataset = load_dataset(task.dataset, None, train_size)
    return Trainer(task, dataset.to(torch.device(device)), 3, device, engine)


def begin(trainer: Trainer, regime: str, **arguments: Any) -> None:
    regimes = [get_regime(regime)(trigger=1, num_epochs=4, seed=run, **arguments) for run in RUNS]
    trainer.reset(RUNS, list(RUNS), regimes, VALUES, [0.0, 0.1, -0.1])


CASES = [
    ("DigitsMlp", "adamw", "DataShift", "rotation", "batched"),
    ("DigitsMlp", "adamw", "DataShift", "gaussian_noise", "torch"),
    ("DigitsMlp", "sgd", "LossPerturbation", "gradient", "batched"),
    ("DigitsMlp", "adamw", "LossPerturbation", "both", "batched"),
    ("DigitsMlp", "adamw", "LossPerturbation", "gradient", "torch"),
    ("DigitsMlp", "adamw", "CurriculumShift", "difficulty", "batched"),
    ("DigitsMlp", "adamw", "CurriculumShift", "classes", "torch"),
    ("ModularAddition", "adamw", "DataShift", "permutation", "batched"),
    ("ModularAddition", "adamw", "OptimizerSensitivityShift", "rescaling", "batched"),
    ("ModularAddition", "adamw", "OptimizerSensitivityShift", "rescaling", "torch"),
    ("DigitsResidual", "sgd", "DataShift", "relabelling", "batched"),
]
"""Fake tensors know neither the fused SGD nor the normalisation of the torch engine."""


@pytest.mark.parametrize(("name", "optimizer", "regime", "kind", "engine"), CASES)
def test_epochs_and_snapshots_stay_on_the_device(
    name: str, optimizer: str, regime: str, kind: str, engine: str, reads: Reads
) -> None:
    trainer = made(replace(get_task(name), optimizer=optimizer), engine)
    begin(trainer, regime, kind=kind)
    for _ in range(3):
        assert trainer.train(RUNS, VALUES).val_loss.shape == (3,)
    state = trainer.get_state(0)
    weights = state["engine"]["model"].values()
    assert all(weight.device == torch.device(DEVICE) for weight in weights)
    trainer.set_state(1, state)
    trainer.evaluate_test(1)
    trainer.set_checkpoint(2, trainer.get_checkpoint(1))
    trainer.train(RUNS, VALUES)
    trainer.weight_norm(0)


@pytest.mark.parametrize(
    ("engine", "optimizer"), [("batched", "sgd"), ("batched", "adamw"), ("torch", "adamw")]
)
def test_nothing_is_read_in_a_mini_batch(engine: str, optimizer: str, reads: Reads) -> None:
    counts = []
    for train_size in (128, 512):
        task = replace(get_task("DigitsMlp"), optimizer=optimizer)
        trainer = made(task, engine, train_size=train_size)
        begin(trainer, "LossPerturbation", kind="gradient")
        trainer.train(RUNS, VALUES)
        reads.count = 0
        trainer.train(RUNS, VALUES)
        counts.append(reads.count)
    assert counts[0] == counts[1] > 0
    if engine == "batched":
        assert counts[0] <= 6, "read once for a stack, not for every run"


@pytest.mark.parametrize(("source", "target"), [("cpu", DEVICE), (DEVICE, "cpu")])
def test_states_move_between_devices(source: str, target: str, reads: Reads) -> None:
    task = get_task("DigitsMlp")
    trainer, other = made(task, "torch", source), made(task, "torch", target)
    for one in (trainer, other):
        begin(one, "DataShift", kind="relabelling")
    for _ in range(2):
        trainer.train(RUNS, VALUES)
    other.set_state(0, trainer.get_state(0))
    other.evaluate_test(0)
    other.train(RUNS, VALUES)


def test_what_lies_on_two_devices_is_refused_here(reads: Reads) -> None:
    trainer = made(get_task("DigitsMlp"), "torch")
    data = RunData(trainer.dataset, relabelling=torch.arange(10))
    with pytest.raises(RuntimeError, match="same device"):
        trainer.dataset.train.labels + data.labels("train").cpu()


def test_modules_draw_from_the_generator_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    state = torch.zeros(16, dtype=torch.uint8)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: state)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda s, device: drawn.append(s is state))
    monkeypatch.setattr(torch.cuda, "manual_seed", drawn.append)
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    with global_generator_seeded(7, torch.device("cuda")):
        assert drawn == [7]
    assert drawn == [7, True]


def test_adamw_of_a_gpu_equals_that_of_torch() -> None:
    source = torch.Generator().manual_seed(0)
    weights, gradients = torch.randn(2, 32, generator=source), torch.randn(5, 2, 32)
    groups, rows = [], []
    for i, row in enumerate(weights):
        parameter = torch.nn.Parameter(row.clone())
        rate = 0.01 * (1 + i)
        made = torch.optim.AdamW([parameter], rate, (0.8, 0.99), weight_decay=0.1 * i)
        for gradient in gradients:
            parameter.grad = gradient[i].clone()
            made.step()
        groups.append(made.param_groups[0])
        rows.append(parameter.detach())
    optimizer = _AdamW(groups, [torch.zeros(2, 32), torch.zeros(2, 32)], [0, 0])
    for gradient in gradients:
        optimizer.step(weights, gradient.clone())
    torch.testing.assert_close(weights, torch.stack(rows), rtol=1e-5, atol=1e-6)
