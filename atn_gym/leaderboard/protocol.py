"""What every entry of the leaderboard is scored on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from atn_gym.envs.randomness import MAX_SEED
from atn_gym.errors import InvalidArgument, shown

ENVS = (
    "atn_gym/DigitsCnnUnknownScale-DataShift-v0",
    "atn_gym/DigitsCnnUnknownScale-OptimizerSensitivityShift-v0",
    "atn_gym/DigitsCnnUnknownScale-Mixture-v0",
    "atn_gym/DigitsCnn-DataShift-v0",
)
"""Three envs with a hidden scale, in which looking pays, and one in which a schedule does well."""
SCALE_FILE = Path(__file__).parent / "scale.json"
"""Written by `benchmarks/leaderboard_scale.py`."""
BASELINE = "range_test"
"""The strongest rule that comes with the package: no training, no tuning on the run."""
FIRST_SEEDS = 20
"""Seeds of the first batch."""
BATCH = 20
"""Seeds that are added while a verdict is undecided."""
MOST_SEEDS = 60
"""Seeds at which the check gives up."""
_SHORTEST_SALT = 8


def salted_seeds(salt: str, number: int = MOST_SEEDS) -> list[int]:
    """Seeds that nobody knows who does not know the salt.

    Seed i is the hash of the salt and i. Weights, batches, the hidden scale, the time of the
    shock and its kind follow from the seed of a run, so that none can be tuned for.

    Args:
        salt: Text of 8 characters or more, not known when the method was made.
        number: How many; the first ones are the same for any number.

    Raises:
        InvalidArgument: If the salt is too short to be a secret.
    """
    if len(salt.strip()) < _SHORTEST_SALT:
        raise InvalidArgument(
            f"salt must be text of {_SHORTEST_SALT} characters or more, such as the hash of a "
            f"commit, got {shown(salt)}"
        )
    digests = (hashlib.sha256(f"{salt.strip()}:{i}".encode()).digest() for i in range(number))
    return [int.from_bytes(digest[:8]) % MAX_SEED for digest in digests]


def salt_digest(salt: str) -> str:
    """What is stored of a salt: it tells salts apart and does not give them away."""
    return hashlib.sha256(salt.strip().encode()).hexdigest()[:16]


def scale() -> dict[str, float]:
    """Anytime performance that looking can win in each env: `reactive_oracle` above `blind`."""
    stored = json.loads(SCALE_FILE.read_text(encoding="utf-8"))
    return {env: float(stored[env]["to_win"]) for env in ENVS}
