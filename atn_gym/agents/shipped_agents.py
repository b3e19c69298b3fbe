"""Trained agents that come with the package."""

from __future__ import annotations

from atn_gym.agents.sb3_policy import SHIPPED, SB3Policy
from atn_gym.errors import unknown_name


def pretrained(name: str) -> SB3Policy:
    """A trained agent, ready to be run.

    Args:
        name: "ppo_digits"; docs/agents/ has its model card.

    Raises:
        InvalidArgument: If there is no agent of that name.

    Example:
        >>> import atn_gym
        >>> from atn_gym.agents import pretrained
        >>> agent = pretrained("ppo_digits")
        >>> evaluation = atn_gym.evaluate(agent, "atn_gym/DigitsCnn-DataShift-v0", seeds=3)
    """
    names = agent_names()
    if name not in names:
        raise unknown_name("agent", name, names)
    return SB3Policy(name)


def agent_names() -> list[str]:
    """Names of the agents that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.zip"))
