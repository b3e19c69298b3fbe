"""What all regimes have in common: when they strike and how hard."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from atn_gym.envs.gain import draw_gain
from atn_gym.envs.randomness import Stream, generator
from atn_gym.errors import InvalidArgument, check_positive_integer, unknown_name

if TYPE_CHECKING:
    from torch import nn, optim

    from atn_gym.envs.data import RunData

PROFILES = ("abrupt", "gradual", "recurring", "stream")


@dataclass(frozen=True)
class Regime:
    """A non-stationarity put on a run.

    A subclass names its kinds, each with its default severity, and implements `apply`. Of its
    kinds, `drawn_kinds` are those that draw what changes, by `change`: they know the profile
    "stream". `image_kinds` are those that need images: on other data they are refused.

    Args:
        trigger: Epochs trained before the regime sets in: an int in [0, num_epochs), a float
            in (0, 1) that is a share of the budget, rounded down, or a pair of such shares
            between which `seed` draws one.
        severity: Full strength, in [0, 1]; None takes the default of the kind.
        seed: Seed of the regime's own draws, >= 0.
        kind: One of `kinds`; None takes the first.
        profile: "abrupt", "gradual" (a linear ramp over `duration` epochs), "recurring" (on for
            `period` epochs, off for as many, and so on) or "stream" (at full strength, and what
            is drawn is drawn again every `period` epochs).
        duration: Length of a gradual ramp in epochs, >= 1.
        period: Length of a recurring phase, or of one change of a stream, in epochs, >= 1.
        num_epochs: Epoch budget of the run.
        active: Whether it ever sets in. The twin of a run has it switched off.
        onset: Epochs trained before it sets in, as `trigger` says or `seed` draws.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
    """

    kinds: ClassVar[Mapping[str, float]]
    drawn_kinds: ClassVar[tuple[str, ...]] = ()
    image_kinds: ClassVar[tuple[str, ...]] = ()

    trigger: int | float | Sequence[float] = (0.15, 0.6)
    severity: float | None = None
    seed: int = 0
    kind: str | None = None
    profile: str = "abrupt"
    duration: int = 5
    period: int = 5
    num_epochs: int = 30
    active: bool = True
    onset: int = field(init=False, repr=False, compare=False)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "apply" in vars(cls) and "condition" not in vars(cls):
            # What holds for the `apply` of a parent need not hold for that of its child.
            cls.condition = Regime.condition  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        kind = next(iter(self.kinds)) if self.kind is None else self.kind
        if kind not in list(self.kinds):
            raise unknown_name(f"kind of {type(self).__name__}", kind, self.kinds)
        if self.profile not in PROFILES:
            raise unknown_name("profile", self.profile, PROFILES)
        if self.profile not in self.profiles(kind):
            raise self._no_stream(kind)
        severity = self.kinds[kind] if self.severity is None else self.severity
        if not _is_number(severity) or not 0 <= severity <= 1:
            raise InvalidArgument(f"severity must be a number in [0, 1], got {severity!r}")
        if not _is_integer(self.seed) or self.seed < 0:
            raise InvalidArgument(f"seed must be an integer >= 0, got {self.seed!r}")
        for name in ("duration", "period"):
            check_positive_integer(name, getattr(self, name))
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "severity", float(severity))
        if isinstance(self.trigger, (list, tuple)):
            low, high = _shares(self.trigger)
            object.__setattr__(self, "trigger", (low, high))
            share = generator(self.seed, Stream.TRIGGER).uniform(low, high)
            onset = min(int(share * self.num_epochs), self.num_epochs - 1)
        else:
            onset = _trigger_epoch(self.trigger, self.num_epochs)
            object.__setattr__(self, "trigger", onset)
        object.__setattr__(self, "onset", onset)

    @property
    def shock_epoch(self) -> int | None:
        """Epochs trained before the strength first exceeds zero; None if it never does."""
        strikes = (e for e in range(self.num_epochs) if self.strength(e) > 0)
        return next(strikes, None)

    def strength(self, epoch: int) -> float:
        """Strength in [0, severity] in the epoch that follows `epoch` trained ones."""
        assert self.severity is not None
        since = epoch - self.onset
        if since < 0 or not self.active:
            return 0.0
        if self.profile == "gradual":
            return self.severity * min(1.0, (since + 1) / self.duration)
        if self.profile == "recurring" and (since // self.period) % 2 == 1:
            return 0.0
        return self.severity

    def visible_classes(self, epoch: int, num_classes: int) -> int:
        """How many of C classes the epoch that follows `epoch` trained ones is validated on."""
        return num_classes

    @classmethod
    def profiles(cls, kind: str) -> tuple[str, ...]:
        """Profiles that a kind knows."""
        return tuple(p for p in PROFILES if p != "stream" or kind in cls.drawn_kinds)

    @classmethod
    def kinds_for(cls, inputs: str) -> tuple[str, ...]:
        """Kinds that suit the inputs of a task: see `Task.inputs`."""
        return tuple(k for k in cls.kinds if inputs == "images" or k not in cls.image_kinds)

    def _no_stream(self, kind: str) -> InvalidArgument:
        name = type(self).__name__
        remedy = (
            f"choose another profile, or one of the kinds {', '.join(self.drawn_kinds)}"
            if self.drawn_kinds
            else "choose another profile"
        )
        return InvalidArgument(
            f"profile 'stream' draws a new change every period, but {name} with kind {kind!r} "
            f"draws none: {remedy}"
        )

    def change(self, epoch: int) -> int:
        """Number of the change in force: 0 but under "stream", which counts them."""
        return max(0, epoch - self.onset) // self.period if self.profile == "stream" else 0

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        """Sets the state of a run before an epoch is trained.

        It starts from clean originals and is idempotent: `data` has been cleared, and the
        optimizer's groups hold the hyperparameters that the controller set, which
        `nominal_hyperparameters` reads and `set_effective_hyperparameters` overrides for
        this epoch.

        Args:
            epoch: Number of epochs trained so far.
            model: The network of the run.
            data: Its data, to be set for this epoch.
            optimizer: Its optimizer.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement apply")

    def condition(self, epoch: int) -> Hashable:
        """What the data of a run depends on in an epoch, so that equal data is set once.

        Where two epochs in turn have equal conditions, `apply` would set the same data in both,
        and leave model and optimizer as they are, so that it is called only for the first. None,
        the default for a class with an `apply` of its own, has it called for every epoch.

        Args:
            epoch: Number of epochs trained so far.
        """
        return None

    def sample(self, seed: int) -> Regime:
        """The instance of one episode: this regime with draws of its own."""
        return replace(self, seed=seed)

    def draw_gain(self, gain: float | Sequence[float], seed: int) -> float:
        """The gain of the run of a seed: the number, or a uniform draw between the pair."""
        return draw_gain(gain, seed)

    def switched_off(self) -> Self:
        """The regime of the counterfactual twin: the same, but it never sets in."""
        return replace(self, active=False)

    def describe(self) -> dict[str, Any]:
        """Plain values for infos and reports; -1 stands for a shock that never comes."""
        shock = self.shock_epoch
        return {
            "regime": type(self).__name__,
            "kind": self.kind,
            "profile": self.profile,
            "trigger": self.onset,
            "severity": self.severity,
            "shock_epoch": -1 if shock is None else shock,
        }


@dataclass(frozen=True)
class Stationary(Regime):
    """Nothing ever changes: what a method does here beyond a good schedule is harm."""

    kinds = {"none": 0.0}

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        """Leaves the run as it is."""

    def condition(self, epoch: int) -> Hashable:
        """Always the same."""
        return 0.0

    def strength(self, epoch: int) -> float:
        """Always zero."""
        return 0.0


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and bool(abs(value) < math.inf)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shares(pair: Sequence[Any]) -> tuple[float, float]:
    if len(pair) == 2 and all(map(_is_number, pair)) and 0 <= pair[0] < pair[1] <= 1:
        return float(pair[0]), float(pair[1])
    raise InvalidArgument(
        "trigger as a pair must be two shares of the budget, 0 <= lowest < highest <= 1, such as "
        f"(0.15, 0.6), got {pair!r}"
    )


def _trigger_epoch(trigger: Any, num_epochs: int) -> int:
    if _is_integer(trigger) and 0 <= trigger < num_epochs:
        return int(trigger)
    if isinstance(trigger, float) and 0 < trigger < 1:
        # Rounding guards against 0.29 * 100 = 28.999999999999996.
        return int(round(trigger * num_epochs, 9))
    raise InvalidArgument(
        f"trigger must be an integer in [0, {num_epochs - 1}], the epochs before the shock in a "
        f"budget of {num_epochs}, a share of the budget as a float in (0, 1), or a pair of shares, "
        f"got {trigger!r}"
    )
