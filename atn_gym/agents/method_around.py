"""Methods around another method."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.method import Method
from atn_gym.agents.registry import as_method, controller_method, source_digest
from atn_gym.errors import InvalidArgument


@dataclass(frozen=True)
class MethodAround(Method):
    """A method that has another one within.

    Args:
        method: The method: a name such as "heuristic"; in Python also a policy, a `Method`, or a
            class of controllers.
        arguments: Its arguments by name, if it goes by a name.

    Raises:
        InvalidArgument: If there is no such method, or an argument breaks its requirement.
    """

    method: Any
    arguments: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        named = isinstance(self.method, str)
        if self.arguments and not named:
            raise InvalidArgument(
                "arguments must be those of a method that goes by its name, got "
                f"{self.arguments!r} with {self.method!r}: give them to the method itself"
            )
        made = controller_method(self.method, **(self.arguments or {})) if named else None
        object.__setattr__(self, "_inner", made or as_method(self.method))

    @property
    def inner(self) -> Method:
        """The method within."""
        inner: Method = self._inner  # type: ignore[attr-defined]
        return inner

    @property
    def needs_env(self) -> bool:
        """Whether the method within needs one."""
        return self.inner.needs_env

    def env_arguments(self) -> dict[str, Any]:
        """What the method within needs."""
        return self.inner.env_arguments()

    @property
    def making_runs(self) -> float | None:
        """What the making of the method within took."""
        return self.inner.making_runs

    def digest(self) -> str | None:
        """Digest of the method within, and of its source if it is a user's own."""
        source = source_digest(self.method) if isinstance(self.method, str) else None
        digests = (source, self.inner.digest())
        if digests == (None, None):
            return None
        return hashlib.sha256(repr(digests).encode()).hexdigest()[:16]

    def check(self, setting: RunSetting) -> None:
        """Checks the method within."""
        self.inner.check(setting)
