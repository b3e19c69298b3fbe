"""How do the training engines scale? Runs and threads, against the peak of the processor.

One process measures all settings of a task, one after the other in every repetition, and quotes
medians. An env step is one epoch of one run: training and evaluation. `--memory` has each engine
train in a process of its own, and prints the peak of its memory instead.

    python benchmarks/engines.py
    python benchmarks/engines.py --only DigitsMlp --runs 1 8 64 --threads 1
    python benchmarks/engines.py --only DigitsMlp --runs 64 --memory
"""

from __future__ import annotations

import argparse
import itertools
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from baselines import OurEnv
from throughput import matrix_product_rate, report_machine

from atn_gym.envs.engines import ENGINES
from atn_gym.envs.registry import task_names
from atn_gym.errors import InvalidArgument

_MOST_TORCH_RUNS = 64
"""The torch engine trains run by run: many cost as many times one."""
_VARIANTS = ("PoorInit", "UnknownScale")
_TASKS = tuple(name for name in task_names() if not name.endswith(_VARIANTS))


@dataclass
class Setting:
    """An engine with a number of runs and of threads.

    Args:
        engine: Its name.
        runs: Number of runs.
        threads: Number of torch's threads.
        env: What is timed.
        seconds: Seconds per env step, one for each repetition.
        processor_seconds: The same of one core.
        product_rates: FLOP per second of a matrix product with as many threads.
    """

    engine: str
    runs: int
    threads: int
    env: OurEnv
    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    product_rates: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Times a step of all runs, and matrix products before it."""
        torch.set_num_threads(self.threads)
        self.product_rates += [matrix_product_rate() for _ in range(3)]
        start, used = time.perf_counter(), time.process_time()
        self.env.advance()
        self.processor_seconds.append((time.process_time() - used) / self.runs)
        self.seconds.append((time.perf_counter() - start) / self.runs)


def engines_of(task: str, **kwargs: object) -> Iterator[str]:
    """The engines that train a task."""
    for engine in ENGINES[1:]:
        try:
            OurEnv(f"atn_gym/{task}-Stationary-v0", 1, engine=engine, **kwargs).close()
        except InvalidArgument:
            continue
        yield engine


def measure(task: str, arguments: argparse.Namespace) -> list[Setting]:
    """Measures all settings of one task; a first turn warms up."""
    settings = []
    kwargs = {"num_epochs": arguments.repeats + 2, "train_size": arguments.train_size}
    env_id = f"atn_gym/{task}-Stationary-v0"
    for engine, runs in itertools.product(engines_of(task, **kwargs), arguments.runs):
        if engine != "torch" or runs <= _MOST_TORCH_RUNS:
            for threads in arguments.torch_threads if engine == "torch" else arguments.threads:
                env = OurEnv(env_id, runs, engine=engine, **kwargs)
                settings.append(Setting(engine, runs, threads, env))
    for repetition in range(arguments.repeats + 1):
        for setting in settings:
            setting.measure()
            if repetition == 0:
                setting.seconds.clear()
                setting.processor_seconds.clear()
                setting.product_rates.clear()
    return settings


def report(task: str, settings: list[Setting]) -> None:
    """Prints a row for each setting; ratios are to torch's best with as many runs, or with one."""
    for setting in settings:
        peers = [s for s in settings if s.engine == "torch" and s.runs == setting.runs]
        peers = peers or [s for s in settings if (s.engine, s.runs) == ("torch", 1)]
        seconds = statistics.median(setting.seconds)
        used = statistics.median(setting.processor_seconds)
        ratios = ["", ""]
        if peers:
            walls = min(statistics.median(s.seconds) for s in peers)
            processor = min(statistics.median(s.processor_seconds) for s in peers)
            ratios = [f"{walls / seconds:.1f}", f"{processor / used:.1f}"]
        rate = setting.env.flops / seconds
        share = rate / statistics.median(setting.product_rates)
        print(
            f"| {task} | {setting.engine} | {setting.threads} | {setting.runs} "
            f"| {1 / seconds:.4g} | {ratios[0]} | {ratios[1]} | {rate / 1e9:.1f} | {share:.0%} |",
            flush=True,
        )


def train_here(engine: str, task: str, runs: int) -> None:
    """Trains two epochs and prints the peak of this process's memory in MiB."""
    env = OurEnv(f"atn_gym/{task}-Stationary-v0", runs, engine=engine, num_epochs=3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for _ in range(2):
        env.advance()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {task} | {engine} | {runs} | {before:.0f} | {after:.0f} |")


def report_memory(task: str, runs: list[int]) -> None:
    """Prints a row for each engine and number of runs, each from a process of its own."""
    for engine, count in itertools.product(engines_of(task), runs):
        command = [sys.executable, __file__, "--train", engine, task, str(count)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


def main() -> None:
    """Prints all measurements as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=_TASKS)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 2, 8, 64, 256])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--torch-threads", type=int, nargs="+", help="those of the torch engine")
    parser.add_argument("--train-size", type=int, help="training samples; all by default")
    parser.add_argument("--memory", action="store_true", help="peak memory in place of times")
    parser.add_argument("--train", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.torch_threads = arguments.torch_threads or arguments.threads
    if arguments.train:
        engine, task, runs = arguments.train
        train_here(engine, task, int(runs))
        return
    tasks = [arguments.only] if arguments.only else _TASKS
    report_machine(f"medians of {arguments.repeats} alternating repetitions")
    if arguments.memory:
        print("| task | engine | runs | at the start, MiB | peak, MiB |")
        print("|---|---|---|---|---|")
        for name in tasks:
            report_memory(name, arguments.runs)
        return
    print(
        "| task | engine | threads | runs | env steps / s | to torch | processor time to torch "
        "| GFLOP/s | of product |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in tasks:
        report(name, measure(name, arguments))


if __name__ == "__main__":
    main()
