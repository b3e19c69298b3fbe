"""R independent training runs of one task, advanced together by one epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from atn_gym.arrays import FloatArray
from atn_gym.envs.data import RunData
from atn_gym.envs.data.dataset import Dataset
from atn_gym.envs.engines import (
    BatchedEngine,
    Engine,
    MomentEngine,
    TorchEngine,
    choose_engine,
)
from atn_gym.envs.engines.gradient_meter import moved
from atn_gym.envs.engines.threads import use_one_thread_after_fork
from atn_gym.envs.episodes.conditions import Conditions, Run
from atn_gym.envs.episodes.epoch_metrics import EpochMetrics
from atn_gym.envs.episodes.forecast import Forecast, look_ahead
from atn_gym.envs.episodes.plans import DrawnPlan
from atn_gym.envs.hyperparameters import HYPERPARAMETERS
from atn_gym.envs.metering import Trained, meter
from atn_gym.envs.networks import make_network
from atn_gym.envs.randomness import Stream, generator, integer_seed
from atn_gym.envs.regimes import Regime
from atn_gym.envs.tasks import Task
from atn_gym.envs.torch_settings import usual_torch_settings
from atn_gym.errors import InvalidArgument


class Trainer:
    """Holds R runs: weights, optimizer, seed, regime and data of each.

    Args:
        task: What is trained.
        dataset: Its data, on the device.
        num_runs: Number of runs R.
        device: Where to train.
        engine: What trains; see `choose_engine`.
        measures: Whether epochs give gradient signals.

    Raises:
        InvalidArgument: If a mini-batch is larger than the training split, or the engine
            does not apply.
    """

    @usual_torch_settings()
    def __init__(
        self,
        task: Task,
        dataset: Dataset,
        num_runs: int,
        device: str = "cpu",
        engine: str = "auto",
        measures: bool = False,
    ) -> None:
        if task.batch_size > len(dataset.train):
            raise InvalidArgument(
                f"batch_size must be at most the {len(dataset.train)} training samples, "
                f"got {task.batch_size}"
            )
        use_one_thread_after_fork()
        self.task = task
        self.dataset = dataset
        self.steps_per_epoch = len(dataset.train) // task.batch_size
        self._device = torch.device(device)
        self._measures = measures
        self._engine = self._make_engine(choose_engine(engine, task, device), num_runs)
        shape = self.steps_per_epoch, task.batch_size
        self._conditions = Conditions(dataset, shape, self._device, self._engine, num_runs)
        self._runs: list[Run | None] = [None] * num_runs
        self._untrained = np.zeros(num_runs, np.bool_)

    def _make_engine(self, name: str, num_runs: int) -> Engine:
        optimizer = self.task.optimizer
        if name == "torch":
            return TorchEngine(num_runs, self._make_model, optimizer, self._device, self._measures)
        if name in ("moments", "sampled"):
            return MomentEngine(num_runs, self._make_model, sampled=name == "sampled")
        assert isinstance(optimizer, str)
        if name == "batched":
            inputs = self.dataset.train.inputs[: self.task.batch_size]
            return BatchedEngine(num_runs, self._make_model, optimizer, self._device, inputs)
        # Only kernels need numba.
        from atn_gym.envs.engines.compiled_engine import CompiledEngine

        return CompiledEngine(
            num_runs, self._make_model, optimizer, self.dataset.input_shape, self._measures
        )

    def _make_model(self, seed: int) -> nn.Module:
        shape = self.dataset.input_shape, self.dataset.num_classes
        return make_network(self.task.network, *shape, self.task.network_kwargs, seed)

    @usual_torch_settings()
    def reset(
        self,
        runs: Sequence[int],
        seeds: Sequence[int],
        regimes: Sequence[Regime],
        hyperparameters: FloatArray,
        gains: Sequence[float],
    ) -> None:
        """Begins n runs: initial weights from the seed of each, fresh optimizers, clean data.

        Args:
            runs: Indices of the runs, each once.
            seeds: Seed of each run.
            regimes: What happens in each.
            hyperparameters: learning_rate, momentum and weight_decay of each, (n, 3).
            gains: Decades by which the effective learning rate of each exceeds the nominal one.
        """
        weights = [integer_seed(seed, Stream.WEIGHTS) for seed in seeds]
        self._engine.reset(runs, weights, hyperparameters)
        for run, seed, regime, gain in zip(runs, seeds, regimes, gains, strict=True):
            self._runs[run] = Run(seed, regime, RunData(self.dataset), gain)
        self._untrained[list(runs)] = True

    def _run(self, run: int) -> Run:
        state = self._runs[run]
        assert state is not None, f"run {run} must be reset first"
        return state

    @usual_torch_settings()
    def train(self, runs: Sequence[int], hyperparameters: FloatArray) -> EpochMetrics:
        """Advances n runs by one epoch and evaluates each on the validation split.

        Args:
            runs: Indices of the runs, each once.
            hyperparameters: learning_rate, momentum and weight_decay of each run, (n, 3).

        Returns:
            Metrics with a leading axis of n.
        """
        states = [self._run(run) for run in runs]
        self._conditions.apply(runs, states, hyperparameters)
        size = self._conditions.runs_at_once(states)
        parts = [slice(first, first + size) for first in range(0, len(runs), size)]
        metrics = EpochMetrics.joined(
            [self._train_together(runs[part], states[part]) for part in parts]
        )
        begun = int(self._untrained[list(runs)].sum())
        meter(Trained(begun, len(runs) * self.steps_per_epoch, int(metrics.flops.sum())))
        self._untrained[list(runs)] = False
        return metrics

    def _train_together(self, runs: Sequence[int], states: Sequence[Run]) -> EpochMetrics:
        held = list(map(self._conditions.held, states))
        plans = [DrawnPlan(h.training, s.seed, s.epoch) for h, s in zip(held, states, strict=True)]
        trained = self._engine.train(runs, plans)
        val_loss, val_accuracy = self._engine.evaluate(runs, [h.validation for h in held])
        factors = np.ones((len(states), 2))
        for i, state in enumerate(states):
            if state.data.observation_noise:
                factors[i] = _observation_factors(state)
        train_factor, val_factor = factors.T
        metrics = EpochMetrics(
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            observed_train_loss=trained.scaled_loss * train_factor,
            observed_val_loss=val_loss * val_factor,
            strength=np.array([s.regime.strength(s.epoch) for s in states]),
            finite=trained.finite & np.isfinite(val_loss),
            flops=np.array([h.flops for h in held]),
            signals=trained.signals,
        )
        for state in states:
            state.epoch += 1
        return metrics

    @property
    def can_forecast(self) -> bool:
        """Whether the runs are those of a noisy quadratic."""
        return isinstance(self._engine, MomentEngine)

    @property
    def flops_per_epoch(self) -> int:
        """Operations to train an epoch and to evaluate it on the whole validation split."""
        return self._conditions.flops(len(self.dataset.validation))

    def forecast(self, runs: Sequence[int], epochs: Sequence[int]) -> Forecast:
        """Looks ahead over epochs of n runs of a noisy quadratic: see `look_ahead`."""
        assert isinstance(self._engine, MomentEngine)
        states = [self._run(run) for run in runs]
        return look_ahead(self._engine, self._conditions, runs, states, epochs)

    @usual_torch_settings()
    def weight_norm(self, run: int) -> float:
        """Norm of the weights of a run."""
        parameters = list(self._engine.model(run).parameters())
        return float(np.sqrt(moved(parameters, parameters)[2]))

    @usual_torch_settings()
    def evaluate_test(self, run: int) -> tuple[float, float]:
        """Loss and accuracy of a run on the test split, under the data of its last epoch."""
        plan = self._conditions.evaluation_plan(self._run(run).data, "test")
        loss, accuracy = self._engine.evaluate([run], [plan])
        return float(loss[0]), float(accuracy[0])

    @usual_torch_settings()
    def get_checkpoint(self, run: int) -> dict[str, Any]:
        """Copies only weights and optimizer state."""
        return self._engine.get_state(run)

    @usual_torch_settings()
    def set_checkpoint(self, run: int, checkpoint: dict[str, Any]) -> None:
        """Restores only weights and optimizer state."""
        self._engine.set_state(run, checkpoint)

    @usual_torch_settings()
    def get_state(self, run: int) -> dict[str, Any]:
        """Captures a run bit-exactly, without the data set itself."""
        state = self._run(run)
        return {
            "seed": state.seed,
            "epoch": state.epoch,
            "regime": state.regime,
            "gain": state.gain,
            "data": state.data.get_state(),
            "engine": self._engine.get_state(run),
        }

    @usual_torch_settings()
    def set_state(self, run: int, state: dict[str, Any]) -> None:
        """Puts a run into a state that `get_state` returned, of this or another slot."""
        data = RunData(self.dataset)
        data.set_state(state["data"])
        self._runs[run] = Run(state["seed"], state["regime"], data, state["gain"], state["epoch"])
        # With its own seed, for gradient signals look back at the initial weights.
        weights = integer_seed(state["seed"], Stream.WEIGHTS)
        self._engine.reset([run], [weights], np.zeros((1, len(HYPERPARAMETERS))))
        self._engine.set_state(run, state["engine"])


def _observation_factors(state: Run) -> FloatArray:
    """Factors on the observed training and validation loss of the epoch, shape (2,)."""
    noise = state.data.observation_noise
    # Noise on the training loss draws from NOISE, and the two must be independent.
    stream = Stream.OBSERVATION_NOISE if state.data.loss_noise else Stream.NOISE
    draws = generator(state.seed, stream, state.epoch)
    # Two degrees of freedom: outliers are the rule. Cut off, so that no factor is infinite.
    return np.exp(noise * draws.standard_t(2, size=2).clip(-10, 10))
