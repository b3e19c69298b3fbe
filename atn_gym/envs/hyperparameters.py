"""Hyperparameters that can be changed within a run, and the arithmetic of delta actions.

A hyperparameter moves on a logarithmic scale between bounds. Momentum moves by its
complement 1 - m, because the distance to one is what sets its effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from gymnasium import spaces

from atn_gym.arrays import FloatArray
from atn_gym.errors import InvalidArgument, unknown_name


@dataclass(frozen=True)
class Hyperparameter:
    """Scale, bounds and step of one hyperparameter.

    Args:
        name: Its name in actions, infos and configs.
        low: Smallest value on the tuned scale (1 - m for a complement).
        high: Largest value on the tuned scale.
        delta: Decades that an action of 1 moves it.
        complement: Whether 1 - value is tuned instead of the value.
    """

    name: str
    low: float
    high: float
    delta: float
    complement: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value in plain units."""
        return (1 - self.high, 1 - self.low) if self.complement else (self.low, self.high)

    def within(self, bounds: tuple[float, float]) -> Hyperparameter:
        """The same with other bounds, in plain units.

        Raises:
            InvalidArgument: If they are not a pair of finite numbers, lowest first, above 0 on the
                tuned scale.
        """
        valid = isinstance(bounds, (list, tuple)) and len(bounds) == 2
        if valid and all(isinstance(v, (int, float)) and math.isfinite(v) for v in bounds):
            low, high = sorted(1 - v if self.complement else v for v in bounds)
            if bounds[0] < bounds[1] and low > 0 and (not self.complement or high <= 1):
                return replace(self, low=float(low), high=float(high))
        scale = "0 <= lowest < highest < 1" if self.complement else "0 < lowest < highest"
        raise InvalidArgument(f"bounds of {self.name} must be a pair, {scale}, got {bounds!r}")


RESOLUTION = 5e-6
"""Decades below which an observed hyperparameter, a float32 logarithm, does not differ."""

HYPERPARAMETERS = {
    h.name: h
    for h in (
        Hyperparameter("learning_rate", low=1e-5, high=1.0, delta=1.0),
        Hyperparameter("momentum", low=0.01, high=1.0, delta=0.5, complement=True),
        Hyperparameter("weight_decay", low=1e-6, high=1e-1, delta=1.0),
    )
}


class HyperparameterSpace:
    """The K hyperparameters that an env exposes, in order.

    Args:
        names: Names out of `HYPERPARAMETERS`, each once.
        bounds: Lowest and highest value in plain units by name, in place of the default ones.

    Raises:
        InvalidArgument: If the list is empty, a name is unknown or repeated, or bounds are not a
            pair on the scale of their hyperparameter.

    Example:
        >>> space = HyperparameterSpace(["learning_rate"])
        >>> space.apply(np.array([0.1]), np.array([-1.0]))
        array([0.01])
    """

    def __init__(
        self,
        names: Sequence[str] = tuple(HYPERPARAMETERS),
        bounds: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        if not isinstance(names, (list, tuple)) or not names:
            raise InvalidArgument(
                f"hyperparameters must be a non-empty list of names, got {names!r}"
            )
        for name in names:
            if name not in list(HYPERPARAMETERS):
                raise unknown_name("hyperparameter", name, HYPERPARAMETERS)
        if len(set(names)) != len(names):
            raise InvalidArgument(f"hyperparameters must differ, got {list(names)!r}")
        self.names = tuple(names)
        for name in bounds or {}:
            if name not in names:
                raise unknown_name("hyperparameter with bounds", name, names)
        self._parameters = [
            HYPERPARAMETERS[name].within(bounds[name])
            if bounds and name in bounds
            else HYPERPARAMETERS[name]
            for name in names
        ]
        self._low = np.array([h.low for h in self._parameters])
        self._high = np.array([h.high for h in self._parameters])
        self._delta = np.array([h.delta for h in self._parameters])
        self._complement = np.array([h.complement for h in self._parameters])

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HyperparameterSpace) and self._parameters == other._parameters

    __hash__ = None  # type: ignore[assignment]

    def _tuned(self, values: FloatArray) -> FloatArray:
        """Maps values to the tuned scale; the map is its own inverse."""
        return np.where(self._complement, 1 - values, values)

    def apply(self, values: FloatArray, deltas: FloatArray) -> FloatArray:
        """Moves hyperparameters by delta actions: clip(value * 10^(delta * step), bounds).

        Args:
            values: Current values in plain units, shape (..., K).
            deltas: Actions, shape (..., K); clipped to [-1, 1]. Zero leaves a value
                exactly as it is.

        Returns:
            New values in plain units, shape (..., K).
        """
        moves = np.clip(deltas, -1, 1).astype(np.float64)
        moved = np.clip(self._tuned(values) * 10 ** (moves * self._delta), self._low, self._high)
        return np.where(moves == 0, values, self._tuned(moved))

    def deltas(self, values: FloatArray, targets: FloatArray) -> FloatArray:
        """Inverts `apply`: the delta actions that move values towards targets.

        Args:
            values: Current values in plain units, shape (..., K).
            targets: Wanted values in plain units, shape (..., K).

        Returns:
            Actions in [-1, 1], shape (..., K): exactly 0 where target and value are within
            `RESOLUTION`, and at most one step where the target is further away.
        """
        decades = self.log10(targets) - self.log10(values)
        moves = np.clip(decades / self._delta, -1, 1)
        return np.where(np.abs(decades) < RESOLUTION, 0.0, moves)

    def moved(self, values: Mapping[str, float], decades: Mapping[str, float]) -> dict[str, float]:
        """Moves named values on the tuned scale, within the bounds.

        Args:
            values: A value in plain units for each name of the space.
            decades: By how much to move, by name; for momentum it is 1 - m that moves. A
                name that is absent, or at 0, keeps its value exactly.

        Example:
            >>> space = HyperparameterSpace(["learning_rate", "momentum"])
            >>> space.moved({"learning_rate": 0.1, "momentum": 0.9}, {"learning_rate": -1})
            {'learning_rate': 0.01, 'momentum': 0.9}
        """
        start = np.array([values[name] for name in self.names])
        shift = np.array([decades.get(name, 0.0) for name in self.names])
        end = self.from_log10(self.log10(start) + shift)
        return self.named(np.where(shift == 0, start, end))

    def log10(self, values: FloatArray) -> FloatArray:
        """Observed form of hyperparameters: log10 of the value, or of 1 - m for momentum.

        Args:
            values: Values in plain units within the bounds, shape (..., K).
        """
        return np.log10(np.clip(self._tuned(values), self._low, self._high))

    def from_log10(self, logs: FloatArray) -> FloatArray:
        """Inverse of `log10`, shape (..., K) to (..., K)."""
        return np.clip(self._tuned(10.0 ** np.asarray(logs, dtype=np.float64)), *self.bounds)

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest values in plain units, two arrays of shape (K,)."""
        low, high = zip(*(h.bounds for h in self._parameters), strict=True)
        return np.array(low), np.array(high)

    def bounds_of(self, name: str) -> tuple[float, float]:
        """Smallest and largest value of one hyperparameter in plain units."""
        return self._parameters[self.names.index(name)].bounds

    @property
    def log10_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest values in the observed form, two arrays of shape (K,)."""
        return np.log10(self._low), np.log10(self._high)

    def log10_box(self) -> spaces.Box:
        """Space of the observed form, shape (K,), float32."""
        low, high = self.log10_bounds
        return spaces.Box(low.astype(np.float32), high.astype(np.float32))

    def named(self, values: FloatArray) -> dict[str, float]:
        """Values of shape (K,) as a plain dict by name."""
        return {name: float(v) for name, v in zip(self.names, values, strict=True)}

    def check(self, values: Mapping[str, float]) -> None:
        """Validates named values.

        Raises:
            InvalidArgument: If a name is not in this space, or a value is not a finite
                number within the bounds.
        """
        if not isinstance(values, Mapping):
            raise InvalidArgument(
                f"initial hyperparameters must be a dict of values by name, got {values!r}"
            )
        for name, value in values.items():
            if name in HYPERPARAMETERS and name not in self.names:
                raise InvalidArgument(
                    f"hyperparameter {name!r} is not controlled here, where "
                    f"{', '.join(self.names)} can be set: make the env with "
                    f"initial={{{name!r}: {value!r}}}"
                )
            if name not in self.names:
                raise unknown_name("hyperparameter", name, self.names)
            low, high = self.bounds_of(name)
            number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
            if not number or not low <= value <= high:
                raise InvalidArgument(
                    f"hyperparameter {name!r} must be a number in [{low:g}, {high:g}], "
                    f"got {value!r}"
                )
