"""A regime in numbers, for infos that learners and recorders turn into arrays."""

from __future__ import annotations

from atn_gym.envs.regimes.base import PROFILES, Regime
from atn_gym.envs.regimes.mixture import REGIMES


def in_numbers(regime: Regime) -> dict[str, int | float]:
    """What `describe` says, with codes for words.

    Args:
        regime: The regime of a run.

    Returns:
        By name: `regime` is the place of the class among `REGIMES`, -1 for another one; `kind`
        the place among the kinds of the class; `profile` the place among `PROFILES`. Words that
        a class of yours adds are left out.

    Example:
        >>> from atn_gym.envs.regimes import DataShift
        >>> codes = in_numbers(DataShift(profile="gradual"))
        >>> codes["regime"], codes["profile"]
        (1, 1)
    """
    classes: list[type[Regime]] = list(REGIMES)
    coded = {
        "regime": classes.index(type(regime)) if type(regime) in classes else -1,
        "kind": list(regime.kinds).index(str(regime.kind)),
        "profile": PROFILES.index(regime.profile),
    }
    values = {**regime.describe(), **coded}
    return {name: value for name, value in values.items() if not isinstance(value, str)}
