"""The benchmark as a Gymnasium env: one run, one epoch a step."""

from __future__ import annotations

from typing import Any, Unpack

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from atn_gym.envs.arguments import PlainSpec, TaskArguments
from atn_gym.envs.episodes.actions import check_actions
from atn_gym.envs.episodes.episodes import Episodes
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.episodes.snapshots import restore
from atn_gym.envs.params import TuningParams
from atn_gym.envs.randomness import check_seed
from atn_gym.envs.rendering import RENDER_MODES, Renderer
from atn_gym.errors import unknown_name


class TuningEnv(PlainSpec, gymnasium.Env[Observation, NDArray[np.float32]]):
    """Online hyperparameter control of one real training run that may be hit by a shift.

    ## Description
    A small network is trained for a fixed budget of epochs. Before every epoch the agent
    may change the hyperparameters; after it, it sees how training went. At a trigger time
    the regime of the env changes the data, the pool of samples, the optimizer or the
    loss. Training is never restarted.

    ## Action Space
    `Box(-1, 1, (K,), float32)`, one delta for each controlled hyperparameter:
    new = clip(old * 10^(action * step), bounds). Zero leaves a value exactly as it is.

    | Num | Hyperparameter | Step (decades) | Min  | Max  |
    |-----|----------------|----------------|------|------|
    | 0   | learning_rate  | 1              | 1e-5 | 1    |
    | 1   | momentum m, as 1 - m | 0.5      | 0.01 | 1    |
    | 2   | weight_decay   | 1              | 1e-6 | 1e-1 |

    With `checkpoint_rollback=True` a last component above 0 restores weights and optimizer
    state of the best checkpoint by observed validation loss before the epoch is trained.

    ## Observation Space
    `Dict` of float32, always finite. Windows hold the last epochs, newest last, filled with
    chance level (ln C, 1/C) before the first.

    | Key                     | Shape     | Min    | Max    | Unit  | Source              |
    |-------------------------|-----------|--------|--------|-------|---------------------|
    | observed_train_loss     | (window,) | 0      | 5 ln C | nats  | mean of mini-batches |
    | observed_train_accuracy | (window,) | 0      | 1      | share | the same            |
    | observed_val_loss       | (window,) | 0      | 5 ln C | nats  | after the epoch     |
    | observed_val_accuracy   | (window,) | 0      | 1      | share | the same            |
    | hyperparameters         | (K,)      | bounds | bounds | log10 | as set; log10(1 - m) |
    | progress                | (1,)      | 0      | 1      | share | epochs / budget     |

    A regime may perturb observed losses. Accuracies it leaves as they are.

    `signals="gradient"` adds what gradients and weights tell of each epoch. With g the gradient
    of a mini-batch as the optimizer gets it, u the change of the weights w in its step, and w_0
    the initial weights:

    | Key           | Shape     | Min | Max | Unit    | Source                               |
    |---------------|-----------|-----|-----|---------|--------------------------------------|
    | gradient_norm | (window,) | -8  | 4   | decades | root of the mean squared norm of g   |
    | alignment     | (window,) | -1  | 1   | cosine  | mean, between -g and the u before it |
    | distance      | (window,) | -8  | 4   | decades | norm of w - w_0 over that of w_0     |
    | update_size   | (window,) | -8  | 4   | decades | mean norm of u over that of w        |
    | weight_norm   | (window,) | -8  | 4   | decades | norm of w after the epoch            |

    Before the first epoch sizes are at their minimum, the alignment is 0 and w is w_0. An epoch
    that diverges has the largest sizes and an alignment of -1. Update and gradient together show
    the effective learning rate, which a regime or a hidden gain may have changed.

    ## Rewards
    clip(ln(ln C / L) / ln 100, -1, 1) with L the clean validation loss: 0 at chance, 1 at a
    hundredth of it. The mean over the budget is the anytime performance of the run. An epoch
    that diverges counts -1, and so does, at once, every epoch that remains. With
    `checkpoint_rollback=True` only the diverged epoch counts -1. `reward=` chooses another one.

    ## Starting State
    Initial weights and the order of the data come from the seed, and nothing is trained.
    `options={"hyperparameters": {...}}` sets initial hyperparameters by name.

    ## Episode End
    Terminated after the last epoch of the budget, and when the loss or any parameter is not
    finite (`info["diverged"]`). With `checkpoint_rollback=True` divergence does not end the
    run: it continues from the parameters as they are, and diverges again until the agent
    restores a checkpoint. Never truncated.

    ## Info
    The same keys at `reset` and `step`, numbers only; before the first epoch metrics are those
    of chance and nothing is spent. `observed_*` is what a controller sees; clean metrics have
    plain names.

    | Key | Meaning |
    |-----|---------|
    | epoch | epochs trained |
    | hyperparameter_values | values in force, by name |
    | train_accuracy, val_accuracy | clean accuracies of the last epoch |
    | diverged | whether it left a loss or a parameter that is not finite |
    | checkpoint_rollbacks | checkpoints restored so far |
    | flops, gradient_steps | spent in the last epoch |
    | privileged | what no controller may see |

    `privileged` holds `seed`, `gain`, the clean `train_loss` and `val_loss` of the last epoch,
    and the regime: its `strength` in that epoch, `trigger`, `severity`, `shock_epoch` (-1: no
    shock comes), and as codes `regime`, `kind` and `profile`, which `regimes.in_numbers`
    defines. `env.unwrapped.episodes.state(0).regime.describe()` says those in words.

    ## Arguments
    See `TuningParams`; and `render_mode`: "human", "rgb_array" or "ansi".

    ## Version History
    v0: first version.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
        DataUnavailable: If the data set is neither on disk nor downloadable.
    """

    metadata: dict[str, Any] = {
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
    }

    def __init__(self, *, render_mode: str | None = None, **params: Unpack[TaskArguments]) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise unknown_name("render_mode", render_mode, RENDER_MODES)
        self.render_mode = render_mode
        # Vector envs of Gymnasium 1.1 write into the metadata of the envs that they hold.
        self.metadata = dict(self.metadata)
        self.episodes = Episodes(TuningParams.from_kwargs(params), num_runs=1)
        self.observation_space = self.episodes.observation_space  # type: ignore[assignment]
        self.action_space = self.episodes.action_space
        self._renderer = Renderer()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins a run; nothing is trained.

        Args:
            seed: Seed of the run, an integer from 0 to 2^63 - 1; drawn from the env's own
                generator if None.
            options: May hold "hyperparameters", initial values by name.

        Raises:
            InvalidArgument: If the seed is not such an integer, an option is unknown, or a
                value out of bounds.
        """
        seed = None if seed is None else check_seed(seed)
        super().reset(seed=seed)
        options = options or {}
        for name in options:
            if name != "hyperparameters":
                raise unknown_name("reset option", name, ["hyperparameters"])
        run_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self.episodes.begin([0], [run_seed], [options.get("hyperparameters")])
        self._show()
        return self._observation(), self.episodes.info(0)

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Changes the hyperparameters and trains one epoch.

        Args:
            action: Deltas, floating dtype, shape of `action_space`; clipped to [-1, 1].

        Raises:
            ResetNeeded: If the episode has not begun, or is over.
            InvalidArgument: If the action has NaN, a wrong shape or a wrong dtype.
        """
        assert self.action_space.shape is not None
        actions = check_actions(action, self.action_space.shape)
        if not self.episodes.running(0):
            raise ResetNeeded("step() needs a running episode: call reset() first")
        rewards, ended = self.episodes.step([0], actions[None])
        self._show()
        return self._observation(), float(rewards[0]), bool(ended[0]), False, self.episodes.info(0)

    def _observation(self) -> Observation:
        return {name: values[0] for name, values in self.episodes.observation([0]).items()}

    def _show(self) -> None:
        if self.render_mode == "human":
            self._renderer.show(self.episodes.trace(0))

    def render(self) -> NDArray[np.uint8] | str | None:
        """Draws the run so far as `render_mode` asks: an RGB array, a text or a window."""
        if self.render_mode == "rgb_array":
            return self._renderer.rgb_array(self.episodes.trace(0))
        if self.render_mode == "ansi":
            return self._renderer.ansi(self.episodes.trace(0))
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render() draws nothing without a render mode: make the env with "
                'render_mode="rgb_array"'
            )
        return None

    def test_metrics(self) -> dict[str, float]:
        """Loss and accuracy on the test split, for the harness, once the episode is over."""
        return self.episodes.test_metrics(0)

    def get_state(self) -> dict[str, Any]:
        """Captures the run bit-exactly: a dict that pickles, without the data set."""
        return {**self.episodes.get_state(0), "generator": self.np_random.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes back to, or branches from, a state that `get_state` returned.

        Raises:
            InvalidArgument: If the state is of an env with other parameters, or damaged; the env
                is as before then.
        """
        self.np_random = restore(self.episodes, [0], [state])[0]

    def close(self) -> None:
        """Closes the window, if there is one."""
        self._renderer.close()
