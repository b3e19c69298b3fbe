"""What a study of many real runs takes: made, killed, resumed, packed, loaded and reported.

python benchmarks/study_scale.py [--runs 1000 10000 100000] [--folder FOLDER]

Runs are of Digits, two epochs with 128 training images, by five controllers on four envs. The
command that makes them is killed when half of them are stored, and started again. The second half
are runs of other envs, which take longer; so it is also made in a folder of its own, as a measure
of what resuming costs. Every step is a process of its own, imports included.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml
from store_scale import STEPS, TOGETHER, measured, part_sizes

_ENVS = ("Stationary", "DataShift", "CurriculumShift", "OptimizerSensitivityShift")
_CONTROLLERS = ("fixed", "step", "reduce_lr_on_plateau", "heuristic", "range_test")
_ENV = {"num_epochs": 2, "train_size": 128}
_POLL_S = 0.2


def config(runs: int, regimes: Sequence[str] = _ENVS) -> dict[str, object]:
    """The experiment of some runs, or its share on some of the envs."""
    return {
        "experiment": "study",
        "envs": [{"id": f"atn_gym/DigitsCnn-{regime}-v0", **_ENV} for regime in regimes],
        "controllers": list(_CONTROLLERS),
        "seeds": runs // (len(_ENVS) * len(_CONTROLLERS)),
    }


def run(folder: Path, stop_at: float | None = None) -> tuple[float, float, float, int]:
    """Runs the study until it ends, or is killed.

    Args:
        folder: Of the config and the results.
        stop_at: Number of parts at which the command is killed; None lets it end.

    Returns:
        Wall-clock (s), processor time (s), peak memory (MiB) and the number of complete runs that
        it names, 0 if it was killed.
    """
    began = time.perf_counter()
    arguments = ["run", "--config", str(folder / "study.yaml"), "--results", str(folder)]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "atn_gym.cli", *arguments], stdout=output, stderr=output
        )
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if stop_at is not None and len(part_sizes(folder / "study")) >= stop_at:
                process.kill()
            time.sleep(_POLL_S)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    found = re.search(r"(\d+) runs complete, 0 failed", text)
    if process.returncode and stop_at is None:
        raise SystemExit(f"the command ended with status {process.returncode}:\n{text}")
    took = time.perf_counter() - began
    return (
        took,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        int(found[1]) if found else 0,
    )


def study(runs: int, folder: Path) -> None:
    """Makes a study and prints a row for each step."""
    root, half = folder / "study", folder / "half"
    for place, regimes in ((folder, _ENVS), (half, _ENVS[len(_ENVS) // 2 :])):
        place.mkdir(parents=True)
        text = yaml.safe_dump(config(runs, regimes))
        (place / "study.yaml").write_text(text, encoding="utf-8")
    pairs = len(_ENVS) * len(_CONTROLLERS)
    parts = pairs * -(-(runs // pairs) // TOGETHER)

    def show(step: str, wall: float, busy: float, peak: float, *, place: Path = root) -> None:
        sizes = part_sizes(place)
        print(
            f"| {runs:,} | {step} | {len(sizes):,} | {sum(sizes) / 1e6:.1f} | {wall:.1f} "
            f"| {busy:.1f} | {peak:.0f} |",
            flush=True,
        )

    show("made, killed half-way", *run(folder, parts / 2)[:3])
    *figures, complete = run(folder)
    if complete != runs:
        raise SystemExit(f"{complete} of {runs} runs are complete")
    show("resumed", *figures)
    show("second half, in a folder of its own", *run(half)[:3], place=half / "study")
    for step in STEPS:
        show(step, *measured(step, root))


def main() -> None:
    """Makes studies of some sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="for the runs, which are deleted afterwards")
    arguments = parser.parse_args()
    print("| runs | step | files | MB | seconds | of one core | peak, MiB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for runs in arguments.runs:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            study(runs, Path(folder) / "results")


if __name__ == "__main__":
    main()
