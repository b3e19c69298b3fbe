"""Measures the scale of the leaderboard: what looking can win in each of its envs.

Runs of `blind` and `reactive_oracle` on the same seeds, from stored results of one or more
experiments. The oracle takes 60 times the compute of a run, so that the check of a submission
does not run it: this scale stands in for it.

python benchmarks/leaderboard_scale.py results/unknown_scale_digits results/benchmark_digits
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import atn_gym
from atn_gym.eval.metrics.adaptation_score import BLIND, REACTIVE_ORACLE
from atn_gym.leaderboard.protocol import ENVS, SCALE_FILE


def main() -> None:
    """Writes the scale, and prints it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path, help="folders of experiments")
    scale: dict[str, dict[str, float]] = {}
    for folder in parser.parse_args().results:
        runs = atn_gym.load_results(folder, controllers=[BLIND, REACTIVE_ORACLE]).runs
        for env in ENVS:
            of_env = runs[runs["config.env.id"] == env]
            columns = {
                name: of_env[of_env.controller == name].set_index("seed").anytime_performance
                for name in (BLIND, REACTIVE_ORACLE)
            }
            to_win = (columns[REACTIVE_ORACLE] - columns[BLIND]).dropna()
            if len(to_win) > scale.get(env, {}).get("seeds", 0):
                scale[env] = {"to_win": round(float(to_win.mean()), 4), "seeds": len(to_win)}
    missing = [env for env in ENVS if env not in scale]
    if missing:
        parser.error(f"the results have no runs of blind and reactive_oracle on {missing}")
    SCALE_FILE.write_text(json.dumps(scale, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(scale, indent=1))


if __name__ == "__main__":
    main()
