"""How do the training engines scale? Runs and threads, against the peak of the processor.

One process measures all settings, one after the other in every repetition, and quotes
medians. An env step is one epoch of one run: training and evaluation.

    python benchmarks/engines.py
    python benchmarks/engines.py --only digits --runs 1 8 64 --threads 1
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from dataclasses import dataclass, field

import torch
from baselines import OurEnv
from throughput import matrix_product_rate, report_machine

_ENVS = {"digits": "atn_gym/DigitsCnn-Stationary-v0", "mnist": "atn_gym/MnistCnn-Stationary-v0"}
_MOST_TORCH_RUNS = 8
"""The torch engine trains run by run: many cost as many times one."""


@dataclass
class Setting:
    """An engine with a number of runs and of threads.

    Args:
        engine: "compiled" or "torch".
        runs: Number of runs.
        threads: Number of torch's threads, which is also how many runs train at once.
        env: What is timed.
        seconds: Seconds per env step, one for each repetition.
        product_rates: FLOP per second of a matrix product with as many threads.
    """

    engine: str
    runs: int
    threads: int
    env: OurEnv
    seconds: list[float] = field(default_factory=list)
    product_rates: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Times a step of all runs, and matrix products before it."""
        torch.set_num_threads(self.threads)
        self.product_rates += [matrix_product_rate() for _ in range(3)]
        start = time.perf_counter()
        self.env.advance()
        self.seconds.append((time.perf_counter() - start) / self.runs)


def measure(name: str, arguments: argparse.Namespace) -> list[Setting]:
    """Measures all settings on one data set; a first turn warms up."""
    settings = []
    kwargs = {"num_epochs": arguments.repeats + 2, "train_size": arguments.train_size}
    for engine, runs in itertools.product(("compiled", "torch"), arguments.runs):
        if engine == "compiled" or runs <= _MOST_TORCH_RUNS:
            for threads in arguments.threads:
                env = OurEnv(_ENVS[name], runs, engine=engine, **kwargs)
                settings.append(Setting(engine, runs, threads, env))
    for repetition in range(arguments.repeats + 1):
        for setting in settings:
            setting.measure()
            if repetition == 0:
                setting.seconds.clear()
                setting.product_rates.clear()
    return settings


def report(name: str, settings: list[Setting]) -> None:
    """Prints a row for each setting; the ratio is to one torch run with as many threads."""
    torch_seconds = {
        s.threads: statistics.median(s.seconds)
        for s in settings
        if (s.engine, s.runs) == ("torch", 1)
    }
    for setting in settings:
        seconds = statistics.median(setting.seconds)
        rate = setting.env.flops / seconds
        share = rate / statistics.median(setting.product_rates)
        reference = torch_seconds.get(setting.threads)
        ratio = "" if reference is None else f"{reference / seconds:.1f}"
        print(
            f"| {name} | {setting.engine} | {setting.threads} | {setting.runs} "
            f"| {1 / seconds:.4g} | {ratio} | {rate / 1e9:.1f} | {share:.0%} |",
            flush=True,
        )


def main() -> None:
    """Prints all measurements as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=list(_ENVS))
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 2, 8, 64, 256])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--train-size", type=int, help="training images; all by default")
    arguments = parser.parse_args()
    report_machine(f"medians of {arguments.repeats} alternating repetitions")
    print("| data | engine | threads | runs | env steps / s | to torch | GFLOP/s | of product |")
    print("|---|---|---|---|---|---|---|---|")
    for name in _ENVS:
        if arguments.only in (None, name):
            report(name, measure(name, arguments))


if __name__ == "__main__":
    main()
