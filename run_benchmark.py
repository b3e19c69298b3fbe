"""Runs an experiment: `python run_benchmark.py --config digits_data_shift`.

The same as `atn-gym run`.
"""

import sys

from atn_gym.cli import command

if __name__ == "__main__":
    command(["run", *sys.argv[1:]])
