"""A model of Stable-Baselines3 as the policy of one env."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from atn_gym.agents.model_card import Normalisation
from atn_gym.agents.policy import Actions
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.gradient_signals import GRADIENT_SIGNALS
from atn_gym.envs.wrappers import Flattening
from atn_gym.errors import InvalidArgument


class ModelPolicy:
    """A model as a policy of one env.

    Every run is predicted by itself. In a batch the rounding of a matrix product depends on the
    number of rows, and a difference of 1e-8 in an action grows over a run: its result would
    depend on which runs are made together.

    Args:
        model: Anything with `predict`, `observation_space` and `action_space`. Discrete actions
            are those of Gymnasium's `DiscretizeAction` with the same number of bins for each
            component of an action.
        env: The single or vector env.
        name: What errors call the model.
        normalisation: Normalisation of its observations.

    Raises:
        InvalidArgument: If its spaces are not those of the env.
    """

    def __init__(
        self, model: Any, env: Any, name: str, normalisation: Normalisation | None = None
    ) -> None:
        episodes = env.unwrapped.episodes
        self._model = model
        self._normalisation = normalisation
        self._flatten: Flattening | None = None
        offered: spaces.Space[Any] = episodes.observation_space
        if isinstance(model.observation_space, spaces.Box):
            self._flatten = self._flattening(offered, model.observation_space)
            offered = self._flatten.space
        if model.observation_space != offered:
            raise InvalidArgument(
                f"model {name} was trained to observe in {model.observation_space}, but this env "
                f"has {offered}: make the env with the window, hyperparameters and "
                "signals that it was trained with"
            )
        if normalisation is not None and (len(normalisation.mean),) != offered.shape:
            raise InvalidArgument(
                f"the normalisation of model {name} must have {offered.shape} components, got "
                f"{len(normalisation.mean)}: give the file that was saved with the model"
            )
        self._bins = _bins(model.action_space, episodes.action_space)
        if self._bins is None and model.action_space != episodes.action_space:
            raise InvalidArgument(
                f"model {name} was trained to act in {model.action_space}, but this env has "
                f"{episodes.action_space}: make the env with the hyperparameters and "
                "checkpoint_rollback that it was trained with; discrete actions need the same "
                "number of bins for each component"
            )
        self._low, self._high = episodes.action_space.low, episodes.action_space.high

    @staticmethod
    def _flattening(offered: spaces.Space[Any], wanted: spaces.Space[Any]) -> Flattening:
        """The flattening that gives what the model observes; the plain one if none does.

        A model that was trained without gradient signals leaves those of the env out.
        """
        given = [offered]
        if isinstance(offered, spaces.Dict) and GRADIENT_SIGNALS[0] in offered.spaces:
            losses = {name: box for name, box in offered.items() if name not in GRADIENT_SIGNALS}
            given.append(spaces.Dict(losses))
        made = [Flattening(space, falls) for space in given for falls in (False, True)]
        return next((each for each in made if each.space == wanted), made[0])

    def predict(
        self,
        observation: Observation,
        state: list[Any] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, list[Any]]:
        """Asks the model, for one run after the other."""
        single = observation["progress"].ndim == 1
        batch = {k: v[None] if single else v for k, v in observation.items()}
        seen: Any = batch if self._flatten is None else self._flatten(batch)
        if self._normalisation is not None:
            seen = self._normalisation(seen)
        count = len(batch["progress"])
        starts = (
            np.zeros(count, np.bool_) if episode_start is None else np.atleast_1d(episode_start)
        )
        states = [None] * count if state is None else list(state)
        actions = []
        for i in range(count):
            row = slice(i, i + 1)
            own = {k: v[row] for k, v in seen.items()} if isinstance(seen, dict) else seen[row]
            action, states[i] = self._model.predict(own, states[i], starts[row], deterministic)
            actions.append(self._continuous(action[0]))
        joined = np.stack(actions).astype(np.float32)
        return (joined[0] if single else joined), states

    def _continuous(self, action: Any) -> NDArray[np.float32]:
        """The centres of the bins that a discrete action names; other actions as they are."""
        if self._bins is None:
            return np.asarray(action, np.float32)
        bins = np.array(self._bins)
        index = (
            np.array(np.unravel_index(int(action), self._bins)) if np.ndim(action) == 0 else action
        )
        centres: NDArray[np.float32] = self._low + (index + 0.5) * (self._high - self._low) / bins
        return centres


def _bins(discrete: Any, continuous: Any) -> tuple[int, ...] | None:
    """Bins of each component of an action; None if the space is not its discretisation."""
    (size,) = continuous.shape
    if isinstance(discrete, spaces.MultiDiscrete) and discrete.shape == (size,):
        return tuple(discrete.nvec.tolist())
    if not isinstance(discrete, spaces.Discrete):
        return None
    bins = round(int(discrete.n) ** (1 / size))
    return (bins,) * size if bins**size == discrete.n else None
