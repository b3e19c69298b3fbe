"""How long does a process take to its first step, and how much memory does it hold then?

Every case is a process of its own, as often as asked, the cases in turn; medians are quoted.
The kernels are compiled before. It needs MNIST, and /proc, and so runs only on Linux.

    OMP_NUM_THREADS=2 python benchmarks/start.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from throughput import report_machine

_SCRIPT = """
import re, time
start = time.perf_counter()
{code}
status = open("/proc/self/status").read()
print(time.perf_counter() - start)
for name in ("VmHWM", "RssAnon"):
    print(int(re.search(name + r":\\s+(\\d+)", status)[1]) / 1024)
"""
_ENV = """
import gymnasium, numpy, atn_gym
shift = dict(kind="{kind}", trigger=0)
env = gymnasium.make_vec("atn_gym/{env}-DataShift-v0", num_envs={runs}, engine="{engine}", **shift)
env.reset(seed=0)
env.step(numpy.zeros(env.action_space.shape, numpy.float32))
"""


def cases() -> dict[str, str]:
    """Code of each case by its title."""
    found = {"`import torch`": "import torch"}
    for engine in ("compiled", "torch"):
        for env, runs, kind in (
            ("DigitsCnn", 1, "gaussian_noise"),
            ("DigitsCnn", 64, "gaussian_noise"),
            ("MnistCnn", 1, "label_noise"),
            ("MnistCnn", 1, "gaussian_noise"),
        ):
            title = f"{env}, {kind}, {runs} {'run' if runs == 1 else 'runs'}, {engine} engine"
            found[title] = _ENV.format(env=env, runs=runs, kind=kind, engine=engine)
    return found


def measure(code: str) -> list[float]:
    """Seconds, peak of the resident memory and private memory at the end, both in MiB."""
    command = [sys.executable, "-c", _SCRIPT.format(code=code)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    """Prints the measurements as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    report_machine(f"medians of {arguments.repeats} alternating repetitions")
    found: dict[str, list[list[float]]] = {title: [] for title in cases()}
    for code in cases().values():
        measure(code)
    for _ in range(arguments.repeats):
        for title, code in cases().items():
            found[title].append(measure(code))
    print("| process | seconds to the first step | peak, MiB | private, MiB |")
    print("|---|---|---|---|")
    for title, rows in found.items():
        seconds, peak, private = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {title} | {seconds:.2f} | {peak:.0f} | {private:.0f} |")


if __name__ == "__main__":
    main()
