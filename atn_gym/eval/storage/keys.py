"""Names runs by what their results depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any


def run_key(config: Mapping[str, Any]) -> str:
    """Names a run by its resolved config: 16 hexadecimal digits."""
    return _digest(_canonical(config))


def keys_of_seeds(config: Mapping[str, Any]) -> Callable[[int], str]:
    """`run_key` of the runs that share a config but for the seed, without hashing it by itself.

    Args:
        config: A resolved config, with any seed or none.

    Returns:
        The key of the run with a seed.
    """
    items = {name: f"{_canonical(name)}:{_canonical(value)}" for name, value in config.items()}
    head = "{" + "".join(f"{items[n]}," for n in sorted(items) if n < "seed") + '"seed":'
    tail = "".join(f",{items[n]}" for n in sorted(items) if n > "seed") + "}"
    return lambda seed: _digest(f"{head}{seed}{tail}")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
