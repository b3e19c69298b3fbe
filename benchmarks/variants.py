"""How well does a controller do with these or those arguments? On training seeds only.

Printed is the mean anytime performance of every variant on every env; defaults are chosen by it.

    python benchmarks/variants.py --seeds 12 greedy_lr "greedy_lr factor=0.9 patience=1"
    python benchmarks/variants.py --envs DigitsCnn-DataShift --seeds 6 prodigy nadamw
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import yaml

import atn_gym
from atn_gym.agents import controller_method

ENVS = (
    "DigitsCnn-DataShift",
    "DigitsCnnPoorInit-DataShift",
    "DigitsCnnUnknownScale-DataShift",
    "DigitsCnnUnknownScale-CurriculumShift",
)
_FIRST_SEED = 10000


def row(variant: str, envs: list[str], seeds: range) -> str:
    """One row of the table: a name, then arguments as name=value."""
    name, *pairs = variant.split()
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        arguments[key] = yaml.safe_load(value)
    method = controller_method(name, **arguments)
    means = [
        atn_gym.evaluate(method, f"atn_gym/{env}-v0", seeds, twins=False).mean(
            "anytime_performance"
        )
        for env in envs
    ]
    cells = " | ".join(f"{mean:.3f}" for mean in means)
    return f"| `{variant}` | {cells} | {np.mean(means):.4f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--envs", nargs="+", default=ENVS)
    parser.add_argument("--seeds", type=int, default=12)
    options = parser.parse_args()
    seeds = range(_FIRST_SEED, _FIRST_SEED + options.seeds)
    print(f"| variant | {' | '.join(options.envs)} | mean |\n|---|{'---|' * len(options.envs)}---|")
    for variant in options.variants:
        print(row(variant, list(options.envs), seeds), flush=True)


if __name__ == "__main__":
    main()
