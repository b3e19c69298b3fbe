"""R episodes of one env, advanced together: the semantics of a step, written once.

`TuningEnv` is the case R = 1, `TuningVectorEnv` adds autoreset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.envs.chance import DIVERGED, diverged_metrics, log_score, metrics_at_chance
from atn_gym.envs.data import load_dataset
from atn_gym.envs.episodes.epoch_metrics import EpochMetrics
from atn_gym.envs.episodes.forecast import Forecast
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.episodes.state import METRICS, EpisodeArrays, EpisodeState
from atn_gym.envs.episodes.trainer import Trainer
from atn_gym.envs.episodes.view import EpisodeView, rows_of
from atn_gym.envs.gradient_signals import DIVERGED_SIGNALS
from atn_gym.envs.hyperparameters import HYPERPARAMETERS, HyperparameterSpace
from atn_gym.envs.params import TuningParams
from atn_gym.envs.randomness import Stream, integer_seed
from atn_gym.envs.regimes import in_numbers
from atn_gym.envs.rendering import RunTrace
from atn_gym.envs.rewards import EpochOutcome, get_reward
from atn_gym.errors import EpisodeStateError


class Episodes:
    """R episodes of one env.

    Args:
        params: What is fixed for all episodes.
        num_runs: Number of episodes R.
    """

    def __init__(self, params: TuningParams, num_runs: int) -> None:
        self.params = params
        self.task = params.get_task()
        self.hyperparameters: HyperparameterSpace = params.make_space()
        self._reward = get_reward(params.reward)
        self._regime = params.make_regime()
        dataset = load_dataset(self.task.dataset, params.data_dir, params.train_size, params.device)
        self._trainer = Trainer(
            self.task, dataset, num_runs, params.device, params.engine, params.measures
        )
        self._states: list[EpisodeState | None] = [None] * num_runs
        self.episodes_begun = [0] * num_runs
        """Episodes that each run has begun."""
        self.epochs_trained = [0] * num_runs
        """Epochs that each run has trained in all of them, those taken back included."""
        self.num_classes = dataset.num_classes
        self.num_epochs = self.task.num_epochs
        self.steps_per_epoch = self._trainer.steps_per_epoch
        self._chance = metrics_at_chance(self.num_classes)
        self._worst = diverged_metrics(self.num_classes)
        self._arrays = EpisodeArrays(
            num_runs, self.num_epochs, params.window, len(self.hyperparameters)
        )
        self._controlled = [list(HYPERPARAMETERS).index(n) for n in self.hyperparameters.names]
        self._view = EpisodeView(
            params,
            self.hyperparameters,
            self._arrays,
            self.num_epochs,
            self.num_classes,
            self.steps_per_epoch,
        )
        self.observation_space = self._view.observation_space
        self.action_space = spaces.Box(
            -1, 1, (len(self.hyperparameters) + params.checkpoint_rollback,), np.float32
        )

    def state(self, run: int) -> EpisodeState:
        """State of an episode.

        Raises:
            EpisodeStateError: If it has not begun.
        """
        state = self._states[run]
        if state is None:
            raise EpisodeStateError("the env must be reset before this call: call reset() first")
        return state

    def states(self, runs: Sequence[int]) -> list[EpisodeState]:
        """States of n episodes.

        Raises:
            EpisodeStateError: If one has not begun.
        """
        states = [state for state in map(self._states.__getitem__, runs) if state is not None]
        return states if len(states) == len(runs) else [self.state(run) for run in runs]

    def begun(self, run: int) -> bool:
        """Whether an episode has begun; it may be over."""
        return self._states[run] is not None

    def all_begun(self) -> bool:
        """Whether every episode has begun."""
        return None not in self._states

    def running(self, run: int) -> bool:
        """Whether an episode has begun and is not over."""
        return self.begun(run) and not self.state(run).ended

    def all_running(self) -> NDArray[np.bool_]:
        """Whether each episode has begun and is not over, (R,)."""
        return np.array([state is not None and not state.ended for state in self._states])

    def begin(
        self,
        runs: Sequence[int],
        seeds: Sequence[int],
        hyperparameters: Sequence[Mapping[str, float] | None],
    ) -> None:
        """Begins n episodes; nothing is trained.

        Args:
            runs: Indices of the runs, each once.
            seeds: Seed of each run, >= 0.
            hyperparameters: Initial values of each by name in place of the task's; the task's
                if None.

        Raises:
            InvalidArgument: If a hyperparameter is not controlled or out of bounds.
        """
        initial = [dict(self.task.initial[self.task.beginning(seed)]) for seed in seeds]
        for values, chosen in zip(initial, hyperparameters, strict=True):
            if chosen is not None:
                self.hyperparameters.check(chosen)
                values.update({name: float(v) for name, v in chosen.items()})
        regimes = [self._regime.sample(integer_seed(seed, Stream.REGIME)) for seed in seeds]
        gains = [self._regime.draw_gain(self.task.gain, seed) for seed in seeds]
        fresh = self._arrays.fresh(runs, initial, self._controlled, self._chance)
        self._trainer.reset(runs, seeds, regimes, self._arrays.in_force[list(runs)], gains)
        begun = zip(runs, seeds, regimes, gains, initial, fresh, strict=True)
        for run, seed, regime, gain, values, arrays in begun:
            state = EpisodeState(
                seed=seed,
                regime=regime,
                gain=gain,
                initial=values,
                described=in_numbers(regime),
                **arrays,
            )
            if self.params.measures:
                signals = [[0.0]] * 4 + [[self._trainer.weight_norm(run)]]
                state.gradient = np.tile(signals, self._arrays.window + self.num_epochs)
            if self.params.checkpoint_rollback:
                state.best = (self._chance[0], self._trainer.get_checkpoint(run))
            self._states[run] = state
            self.episodes_begun[run] += 1

    def step(
        self, runs: Sequence[int], actions: FloatArray
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Advances n running episodes by one epoch.

        Args:
            runs: Indices of the runs, each once.
            actions: Checked actions, shape (n, K), or (n, K + 1) with checkpoint rollback.

        Returns:
            Rewards (n,) and whether each episode is over (n,).
        """
        states = self.states(runs)
        rows, epochs = np.array(runs), np.array([state.epoch for state in states])
        size = len(self.hyperparameters)
        moved = self.hyperparameters.apply(self._arrays.values[rows, epochs], actions[:, :size])
        self._arrays.values[rows, epochs + 1] = moved
        if self.params.checkpoint_rollback:
            for i in np.flatnonzero(actions[:, size] > 0).tolist():
                self._roll_back(runs[i], states[i])
        self._arrays.in_force[rows[:, None], self._controlled] = moved
        metrics = self._trainer.train(runs, self._arrays.in_force[rows])
        self._record(rows, epochs, metrics)
        if metrics.signals is not None:
            signals = np.where(metrics.finite[:, None], metrics.signals, DIVERGED_SIGNALS)
            for state, measured in zip(states, signals, strict=True):
                assert state.gradient is not None
                state.gradient[:, state.window + state.epoch] = measured
        for run, state, finite in zip(runs, states, metrics.finite.tolist(), strict=True):
            state.epoch += 1
            state.diverged = not finite
            self._conclude(run, state)
            self.epochs_trained[run] += 1
        rewards = self._rewards(rows, states)
        return rewards, np.array([state.ended for state in states])

    def _roll_back(self, run: int, state: EpisodeState) -> None:
        checkpoint = state.best[1]
        assert checkpoint is not None
        self._trainer.set_checkpoint(run, checkpoint)
        state.checkpoint_rollbacks += 1

    def _record(
        self, rows: NDArray[np.int64], epochs: NDArray[np.int64], metrics: EpochMetrics
    ) -> None:
        observed = [
            metrics.observed_train_loss,
            metrics.train_accuracy,
            metrics.observed_val_loss,
            metrics.val_accuracy,
        ]
        clean = [getattr(metrics, name) for name in METRICS]
        finite, worst = metrics.finite[:, None], self._worst * 2
        arrays = self._arrays
        arrays.signals[rows, :, arrays.window + epochs] = np.where(
            finite, np.stack(observed, axis=1), worst
        )
        arrays.clean[rows, :, epochs + 1] = np.where(finite, np.stack(clean, axis=1), worst)
        arrays.strength[rows, epochs] = metrics.strength
        arrays.flops[rows, epochs] = metrics.flops

    def _rewards(self, rows: NDArray[np.int64], states: list[EpisodeState]) -> FloatArray:
        epochs = np.array([state.epoch for state in states])
        clean, before = (self._arrays.clean[rows, :, e] for e in (epochs, epochs - 1))
        val_loss = METRICS.index("val_loss")
        outcome = EpochOutcome(
            val_loss=clean[:, val_loss],
            previous_val_loss=before[:, val_loss],
            val_accuracy=clean[:, METRICS.index("val_accuracy")],
            at_chance=self._chance[0],
        )
        return self._charged(states, self._reward(outcome))

    def scores(self, runs: Sequence[int], losses: FloatArray) -> FloatArray:
        """Default rewards of the last epoch of n runs for the losses given, (n,).

        Where it diverged it is -1 for that epoch and each that is lost with it.
        """
        states = self.states(runs)
        return self._charged(states, log_score(losses, self._chance[0]))

    def _charged(self, states: list[EpisodeState], scores: FloatArray) -> FloatArray:
        """Scores of an epoch, or the cost of divergence where it diverged."""
        remaining = np.array([self.num_epochs - s.epoch for s in states])
        lost = 1 if self.params.checkpoint_rollback else 1 + remaining
        return np.where([s.diverged for s in states], DIVERGED * lost, scores)

    def _conclude(self, run: int, state: EpisodeState) -> None:
        fatal = state.diverged and not self.params.checkpoint_rollback
        state.ended = fatal or state.epoch == self.num_epochs
        if self.params.checkpoint_rollback and not state.diverged:
            observed = state.observed_metrics()["observed_val_loss"]
            if observed < state.best[0]:
                state.best = (observed, self._trainer.get_checkpoint(run))

    def observation(self, runs: Sequence[int]) -> Observation:
        """Observations of n runs: fresh float32 arrays with a leading axis of n."""
        return self._view.observation(runs, self.states(runs))

    def info(self, run: int) -> dict[str, Any]:
        """Plain values of the last epoch of a run, without NaN and without wall-clock.

        Before the first, metrics are those of chance, as in the observation, and nothing is spent.
        """
        return rows_of(self.infos([run]))[0]

    def infos(self, runs: Sequence[int]) -> dict[str, Any]:
        """The infos of n runs: by name a column of n values, or a dict of such columns."""
        return self._view.infos(runs, self.states(runs))

    def trace(self, run: int) -> RunTrace:
        """The run so far, for drawing."""
        return self._view.trace(self.state(run))

    def test_metrics(self, run: int) -> dict[str, float]:
        """Loss and accuracy on the test split, for the harness, once the episode is over.

        Raises:
            EpisodeStateError: If the episode is still running.
        """
        state = self.state(run)
        if not state.ended:
            raise EpisodeStateError(
                "the test split is evaluated only at the end of a run: call test_metrics() "
                f"after the last of {self.num_epochs} epochs, not after {state.epoch}"
            )
        loss, accuracy = self._worst if state.diverged else self._trainer.evaluate_test(run)
        return {"test_loss": loss, "test_accuracy": accuracy}

    @property
    def can_forecast(self) -> bool:
        """Whether `forecast` knows what is to come: in a noisy quadratic."""
        return self._trainer.can_forecast

    @property
    def knows_optimum(self) -> bool:
        """Whether runs go as forecast, so that the best one is known."""
        return self.can_forecast and self.params.resolved().engine == "moments"

    @property
    def flops_per_epoch(self) -> int:
        """Operations to train an epoch and to evaluate it on the whole validation split."""
        return self._trainer.flops_per_epoch

    def forecast(self, runs: Sequence[int], num_epochs: int | None = None) -> Forecast:
        """What is to come in n runs that have trained equally many epochs: privileged.

        Args:
            runs: Indices of the runs.
            num_epochs: How far to look; to the end of the budget if None.
        """
        begun = self.state(runs[0]).epoch
        last = self.num_epochs if num_epochs is None else begun + num_epochs
        return self._trainer.forecast(runs, range(begun, min(last, self.num_epochs)))

    def get_state(self, run: int) -> dict[str, Any]:
        """Captures an episode bit-exactly."""
        return {
            "params": self.params,
            "episode": self.state(run).copy(),
            "trainer": self._trainer.get_state(run),
        }

    def set_state(self, run: int, state: Mapping[str, Any]) -> None:
        """Puts an episode into a state that `get_state` returned, of this or an equal env."""
        self._states[run] = self._arrays.adopt(run, state["episode"])
        self._trainer.set_state(run, state["trainer"])

    def forget(self, run: int) -> None:
        """Leaves a run as if its episode had not begun."""
        self._states[run] = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles by its parameters and states: the data set is shared, or loaded."""
        runs = range(len(self._states))
        states = [self.get_state(run) if self.begun(run) else None for run in runs]
        return Episodes, (self.params, len(runs)), states

    def __setstate__(self, states: list[dict[str, Any] | None]) -> None:
        for run, state in enumerate(states):
            if state is not None:
                self.set_state(run, state)
