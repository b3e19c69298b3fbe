"""How many env steps per second? Against a DataLoader loop, AsyncVectorEnv and DACBench.

One process measures all contestants, one after the other in every repetition, and quotes
medians. An env step is one epoch of one run: training and evaluation.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --quick --only digits
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import torch
from baselines import (
    BATCH_SIZE,
    VALIDATION_IMAGES,
    AsyncEnvs,
    Contestant,
    DacBenchSgd,
    DataLoaderLoop,
    OurEnv,
    digits_samples,
    make_mnist_model,
    mnist_samples,
)

import atn_gym
from atn_gym.envs.tasks import DIGITS_CNN, MNIST_CNN

_MATRIX = 2048
_IMPORT_SCRIPT = """
import time
start = time.perf_counter()
import atn_gym
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Field:
    """Contestants on one task, ours first.

    Args:
        title: What is trained.
        contestants: By name.
        rounds: How often a contestant advances in one repetition, by name; else once.
        notes: What a reader must know to judge the comparison.
    """

    title: str
    contestants: Mapping[str, Contestant]
    rounds: Mapping[str, int]
    notes: Sequence[str]


def mnist_field(budget: int, quick: bool, mnist_size: int) -> Field:
    """One MNIST env against its baselines."""
    train_size = 3_200 if quick else mnist_size
    env_id = "atn_gym/MnistCnn-Stationary-v0"
    kwargs: dict[str, Any] = {"num_epochs": budget, "train_size": train_size}
    workers = AsyncEnvs(env_id, 2, engine="torch", **kwargs)
    torch.manual_seed(0)
    contestants: dict[str, Contestant] = {
        "atn_gym, one env": OurEnv(env_id, **kwargs),
        "atn_gym, vector env of 2 runs": OurEnv(env_id, 2, **kwargs),
        "atn_gym, one env, torch engine": OurEnv(env_id, engine="torch", **kwargs),
        "DataLoader loop, one run": DataLoaderLoop(
            mnist_samples(train_size), [make_mnist_model(MNIST_CNN)], dict(MNIST_CNN.initial[0])
        ),
        f"AsyncVectorEnv of torch envs, 2 workers of {threads(workers.threads)}": workers,
    }
    notes = [
        "The DataLoader loop decodes every image again by ToTensor and Normalize, with no workers; "
        "it validates in batches of 500."
    ]
    try:
        contestants["DACBench SGDEnv, one run"] = DacBenchSgd(MNIST_CNN, train_size)
    except ImportError as error:
        notes.append(f"DACBench is skipped, for it does not import: {error}.")
    else:
        trained = train_size // BATCH_SIZE * BATCH_SIZE
        notes.append(
            f"DACBench {importlib.metadata.version('dacbench')} trains by AdamW, always, and "
            f"validates in batches of {BATCH_SIZE}; its loaders are cut to {trained:,} training "
            f"and {VALIDATION_IMAGES:,} validation images, which is what the others see in an "
            "epoch."
        )
    return Field(f"MNIST, {train_size:,} / {VALIDATION_IMAGES:,} images", contestants, {}, notes)


def digits_field(budget: int, quick: bool, _mnist_size: int) -> Field:
    """Digits in the vector env against its baselines."""
    train_size, num_runs, num_workers = (256, 8, 2) if quick else (1_150, 64, 8)
    rounds = num_runs // num_workers
    env_id = "atn_gym/DigitsCnn-Stationary-v0"
    kwargs: dict[str, Any] = {"num_epochs": budget, "train_size": train_size}
    worker_kwargs = {**kwargs, "num_epochs": budget * rounds}
    workers = AsyncEnvs(env_id, num_workers, engine="torch", **worker_kwargs)
    torch.manual_seed(0)
    task = DIGITS_CNN
    models = [task.network((1, 8, 8), 10, **task.network_kwargs) for _ in range(num_runs)]
    samples = digits_samples(train_size)
    name = f"AsyncVectorEnv of torch envs, {num_workers} workers of {threads(workers.threads)}"
    contestants: dict[str, Contestant] = {
        f"atn_gym, vector env of {num_runs} runs": OurEnv(env_id, num_runs, **kwargs),
        f"atn_gym, vector env of {num_runs} runs, torch engine": OurEnv(
            env_id, num_runs, engine="torch", **kwargs
        ),
        f"DataLoader loop, {num_runs} runs in turn": DataLoaderLoop(
            samples, models, dict(task.initial[0])
        ),
        name: workers,
    }
    notes = [f"AsyncVectorEnv takes {rounds} steps for as many run-epochs as the others."]
    title = f"Digits, {train_size:,} / {len(samples[1]):,} images"
    return Field(title, contestants, {name: rounds}, notes)


def threads(count: int) -> str:
    """A number of threads, in words."""
    return f"{count} thread{'s' if count > 1 else ''}"


def measure(field: Field, repeats: int) -> tuple[dict[str, list[float]], float]:
    """Lets the contestants and a matrix product take turns; a first turn warms up.

    Returns:
        Seconds per run-epoch by contestant, and FLOP per second of the product of two
        float32 matrices: the median.
    """
    seconds: dict[str, list[float]] = {name: [] for name in field.contestants}
    rates = []
    for repetition in range(repeats + 1):
        for name, contestant in field.contestants.items():
            rounds = field.rounds.get(name, 1)
            start = time.perf_counter()
            for _ in range(rounds):
                contestant.advance()
            elapsed = time.perf_counter() - start
            if repetition:
                seconds[name].append(elapsed / (rounds * contestant.num_runs))
        rates += [matrix_product_rate() for _ in range(5)]
    return seconds, statistics.median(rates)


def matrix_product_rate() -> float:
    """FLOP per second of torch's product of two square float32 matrices."""
    left, right = torch.ones(2, _MATRIX, _MATRIX)
    start = time.perf_counter()
    torch.mm(left, right)
    return 2 * _MATRIX**3 / (time.perf_counter() - start)


def run_script(script: str) -> float:
    """The number that a script prints, run by a fresh interpreter."""
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    return float(output.stdout)


def processor_name() -> str:
    """Name of the processor, as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def report_timings(field: Field, seconds: Mapping[str, list[float]]) -> None:
    """Prints a row for each contestant; the ratio is of times, above 1 is slower than ours."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ours = next(iter(medians.values()))
    for name, median in medians.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(
            f"| {field.title} | {name} | {median:.4g} | {low:.4g} to {high:.4g} "
            f"| {1 / median:.4g} | {median / ours:.2f} |",
            flush=True,
        )


def report_efficiency(
    field: Field, seconds: Mapping[str, list[float]], product_rate: float
) -> None:
    """Prints how well our envs use the processor."""
    print(
        f"- Product of two {_MATRIX}x{_MATRIX} float32 matrices in between: "
        f"{product_rate / 1e9:.1f} GFLOP/s."
    )
    for name, contestant in field.contestants.items():
        if isinstance(contestant, OurEnv):
            rate = contestant.flops / statistics.median(seconds[name])
            overhead = statistics.median(contestant.overheads[1:])
            print(
                f"- {field.title}, {name}: {contestant.flops / 1e9:.4g} GFLOP per env step, "
                f"{rate / 1e9:.2f} GFLOP/s, {rate / product_rate:.1%} of the matrix product; "
                f"{overhead:.2%} of a step is spent outside training and evaluation."
            )


def report_machine(method: str) -> None:
    """Prints what was run on what, and how it was timed."""
    print(
        f"atn_gym {atn_gym.__version__}, torch {torch.__version__}, gymnasium "
        f"{gymnasium.__version__}, Python {platform.python_version()}; {processor_name()}, "
        f"{os.cpu_count()} cores, {threads(torch.get_num_threads())}; load average "
        f"{os.getloadavg()[0]:.2f}; {method}.\n"
    )


def main() -> None:
    """Prints all measurements as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--mnist-size", type=int, default=54_000, help="training images of MNIST")
    parser.add_argument("--only", choices=["mnist", "digits"])
    arguments = parser.parse_args()
    report_machine(f"medians of {arguments.repeats} alternating repetitions")
    import_seconds = [run_script(_IMPORT_SCRIPT) for _ in range(5)]
    makers = {"mnist": mnist_field, "digits": digits_field}
    results = []
    print("| data | what | seconds per run-epoch | range | env steps / s | time / ours |")
    print("|---|---|---|---|---|---|")
    for name, make in makers.items():
        if arguments.only in (None, name):
            # A warm-up, the repetitions, and an epoch to spare: a run that ends is not timed.
            field = make(arguments.repeats + 2, arguments.quick, arguments.mnist_size)
            seconds, product_rate = measure(field, arguments.repeats)
            report_timings(field, seconds)
            results.append((field, seconds, product_rate))
            for contestant in field.contestants.values():
                contestant.close()
    print()
    for field, seconds, product_rate in results:
        for note in field.notes:
            print(f"- {note}")
        report_efficiency(field, seconds, product_rate)
    print(f"- `import atn_gym`: {statistics.median(import_seconds):.3f} s, median of 5.")
    print(f"- Load average at the end: {os.getloadavg()[0]:.2f}.")


if __name__ == "__main__":
    main()
