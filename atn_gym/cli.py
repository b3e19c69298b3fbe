"""The command line: `atn-gym run`, `report`, `compare`, `show`, `train` and others."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.progress import Progress

from atn_gym import __version__
from atn_gym.errors import (
    AtnGymError,
    InvalidArgument,
    check_positive_integer,
)
from atn_gym.registration import env_ids

if TYPE_CHECKING:
    from concurrent.futures import Executor


_INTERRUPTED = 130
"""Exit status, as shells have it."""
_WIDE = 10_000
"""Columns, more than a table has."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Returns:
        Its exit status: 1 if runs failed, 2 for an error of the user's.
    """
    parser = argparse.ArgumentParser(
        prog="atn-gym", description="Online hyperparameter control under non-stationary conditions."
    )
    parser.add_argument("--version", action="version", version=f"atn_gym {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run an experiment; what is complete is not run again")
    run.add_argument(
        "--config", required=True, metavar="FILE", help="an experiment: file or shipped name"
    )
    run.add_argument("--results", metavar="FOLDER", help="in place of the one in the config")
    run.add_argument(
        "--seeds", metavar="N", type=int, help="seeds 0 to N - 1 in place of those in the config"
    )
    _add_workers(run)
    report = commands.add_parser("report", help="write tables and figures of stored results")
    report.add_argument("results", metavar="RESULTS", help="folder of an experiment")
    report.add_argument("--out", metavar="FOLDER", help="of the report, in place of RESULTS")
    report.add_argument(
        "--paper",
        action="store_true",
        help="also write every figure as SVG and PDF and every table as LaTeX, to a folder paper",
    )
    _add_controllers(report)
    _add_selection(report)
    report.add_argument(
        "--earlier-sources",
        action="store_true",
        help="also runs of controllers whose files have changed since",
    )
    compare = commands.add_parser(
        "compare", help="say which of two controllers is better, or whether they are equivalent"
    )
    compare.add_argument("results", metavar="RESULTS", help="folder of an experiment")
    compare.add_argument("first", metavar="A", help="a controller, by name or label")
    compare.add_argument("second", metavar="B", help="another")
    compare.add_argument("--metric", default="anytime_performance", help="more of it is better")
    compare.add_argument(
        "--margin", type=float, default=0.01, help="largest difference that does not matter; 0.01"
    )
    compare.add_argument(
        "--confidence", type=float, default=0.95, help="of the verdict; 0.95 if absent"
    )
    _add_selection(compare)
    compare.add_argument(
        "--until-decided",
        metavar="CONFIG",
        help="the experiment of RESULTS: make runs of A and B for more and more seeds until the "
        "verdict is decided",
    )
    compare.add_argument(
        "--at-most", metavar="N", type=int, default=400, help="seeds at which it gives up; 400"
    )
    compare.add_argument("--batch", metavar="N", type=int, default=20, help="seeds to add; 20")
    _add_workers(compare)
    show = commands.add_parser("show", help="print config, trace and summary of stored runs")
    show.add_argument("results", metavar="RESULTS", help="folder of an experiment")
    _add_controllers(show)
    _add_selection(show)
    show.add_argument("--csv", metavar="FOLDER", help="write runs.csv and epochs.csv there instead")
    pack = commands.add_parser(
        "pack",
        help="merge the small files of stored results, and convert those of earlier versions",
    )
    pack.add_argument("results", metavar="RESULTS", help="folder of an experiment")
    record = commands.add_parser("record", help="write a Minari data set of a controller's runs")
    record.add_argument("controller", metavar="CONTROLLER", help="its name, or module:Class")
    record.add_argument("env", metavar="ENV", help="id of the env")
    record.add_argument("--dataset", metavar="ID", required=True, help="such as atn_gym/mine-v0")
    record.add_argument(
        "--seeds", metavar="N", type=int, default=10, help="seeds 0 to N - 1; 10 if absent"
    )
    for whose in ("controller", "env"):
        record.add_argument(
            f"--{whose}-arguments",
            metavar="YAML",
            default="{}",
            help=f"further arguments of the {whose}, such as '{{num_epochs: 10}}'",
        )
    _add_leaderboard(commands.add_parser("leaderboard", help="score a method, or write the table"))
    train = commands.add_parser("train", help="train a controller; rerun to resume")
    train.add_argument(
        "--config", required=True, metavar="FILE", help="a training: file or shipped name"
    )
    train.add_argument("--results", metavar="FOLDER", help="in place of the one in the config")
    export = commands.add_parser(
        "export", help="convert a trained model to an agent file without pickles"
    )
    export.add_argument("model", metavar="MODEL", help="model.zip of a training")
    export.add_argument("out", metavar="FILE", help="the agent to write, FILE.safetensors")
    commands.add_parser("doctor", help="say what is installed and found, and what to do about it")
    commands.add_parser("list", help="print the ids of all envs")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "list":
            _print("\n".join(env_ids()))
        elif arguments.command == "doctor":
            return _doctor()
        elif arguments.command == "report":
            _report(arguments)
        elif arguments.command == "compare":
            _compare(arguments)
        elif arguments.command == "show":
            _show(arguments)
        elif arguments.command == "pack":
            _pack(arguments.results)
        elif arguments.command == "record":
            _record(arguments)
        elif arguments.command == "leaderboard":
            _leaderboard(arguments)
        elif arguments.command == "export":
            _export(arguments)
        elif arguments.command == "train":
            _train(arguments.config, arguments.results)
        else:
            return _run(arguments)
    except AtnGymError as error:
        print(f"atn-gym: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\natn-gym: interrupted; run the same command again to resume: complete parts are kept",
            file=sys.stderr,
        )
        return _INTERRUPTED
    return 0


def _add_leaderboard(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="score a submission; rerun to resume")
    check.add_argument("submission", metavar="FILE", help="its description, a YAML file")
    check.add_argument(
        "--salt",
        required=True,
        help="text that decides the seeds, unknown when the method was made",
    )
    check.add_argument(
        "--results", metavar="FOLDER", default="results", help="of all results; results if absent"
    )
    check.add_argument("--save", metavar="FOLDER", help="write the entry there")
    check.add_argument(
        "--at-most", metavar="N", type=int, default=60, help="seeds at which it gives up; 60"
    )
    _add_workers(check)
    table = actions.add_parser("table", help="write the page and the top of it in the README")
    table.add_argument(
        "entries", metavar="FOLDER", nargs="?", default="leaderboard/entries", help="of the entries"
    )
    table.add_argument("--page", metavar="FILE", default="docs/leaderboard.md")
    table.add_argument("--readme", metavar="FILE", default="README.md")


def _add_workers(command: argparse.ArgumentParser) -> None:
    where = command.add_mutually_exclusive_group()
    where.add_argument("--workers", metavar="N", type=int, default=1, help="processes; 1 if absent")
    where.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="scheduler of a Dask cluster; what goes by module:Class needs its folder on the "
        "PYTHONPATH of the workers",
    )


def _add_controllers(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--controllers",
        metavar="NAME",
        nargs="+",
        default=[],
        help="only these controllers, by name or label",
    )


def _add_selection(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--envs",
        metavar="ID",
        nargs="+",
        default=[],
        help="only these envs, by id or the name that a report shows",
    )
    command.add_argument(
        "--seeds", metavar="N", nargs="+", type=int, default=[], help="only these seeds"
    )


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # As under `| head`: the reader has what it wanted, and the flush at exit must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _doctor() -> int:
    from atn_gym.doctor import examine

    problems = 0
    for finding in examine():
        print(f"{finding.what:20}  {finding.found}", flush=True)
        if finding.remedy is not None:
            problems += 1
            print(f"{'':20}  -> {finding.remedy}", flush=True)
    print(f"{problems} of these need attention." if problems else "Nothing needs attention.")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    # Imported here because they load torch, which `list` and `--help` do without.
    from atn_gym.config import load_config, parse_seeds
    from atn_gym.eval.running.experiment import run_experiment
    from atn_gym.eval.running.progress import show_progress
    from atn_gym.eval.running.table import legend, outcome_tables, shown_names
    from atn_gym.eval.storage.store import ResultStore

    check_positive_integer("--workers", arguments.workers)
    if arguments.dask == "":
        raise InvalidArgument(
            "--dask must be the address of a scheduler, such as tcp://host:8786, got '': leave it "
            "out to run here"
        )
    # Controllers and tasks of the user's own lie where the command is given.
    config = load_config(arguments.config, modules=Path.cwd())
    if arguments.seeds is not None:
        config = config.model_copy(update={"seeds": parse_seeds(arguments.seeds)})
    root = Path(arguments.results) if arguments.results else config.results
    store = ResultStore(root.absolute() / config.experiment)
    console = Console()
    began = time.monotonic()
    with (
        _executor(arguments) as (executor, workers),
        show_progress(console, config.experiment) as progress,
    ):
        outcomes = run_experiment(config, store, progress, executor, workers)
    if not console.is_terminal:
        # A file has no width beyond which a table would break.
        console.width = _WIDE
    for table in outcome_tables(outcomes):
        console.print(table)
    for line in legend() if outcomes else []:
        console.print(line, style="dim", highlight=False, markup=False)
    failures = [
        f"{controller} on {env}, seed {seed}: {reason}"
        for (env, controller), outcome in zip(shown_names(outcomes), outcomes, strict=True)
        for seed, reason in outcome.failures.items()
    ]
    complete = sum(len(outcome.summaries) for outcome in outcomes)
    console.print(
        f"{complete} runs complete, {len(failures)} failed, {time.monotonic() - began:.0f} s. "
        f"Results: {store.root}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for failure in failures:
        print(f"atn-gym: failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _report(arguments: argparse.Namespace) -> None:
    from atn_gym.eval.report.report import write_report
    from atn_gym.eval.storage.selection import Selection

    selection = Selection(
        arguments.controllers, arguments.envs, arguments.seeds, arguments.earlier_sources
    )
    out = None if arguments.out is None else Path(arguments.out)
    written = write_report(Path(arguments.results), out, selection, for_paper=arguments.paper)
    for entry in written.skipped:
        print(f"atn-gym: skipped: {entry.name}: {entry.reason}", file=sys.stderr)
    for line in written.stale:
        print(
            f"atn-gym: left out: {line} (--earlier-sources shows it)",
            file=sys.stderr,
        )
    report, paper = written.files[:3], written.files[3:]
    print(f"{written.num_runs} runs: {', '.join(map(str, report))}")
    if paper:
        print(f"{len(paper)} figures and tables: {paper[0].parent}")


def _show(arguments: argparse.Namespace) -> None:
    from atn_gym.eval.report.data_frames import load_results
    from atn_gym.eval.report.show import shown, write_csv

    chosen = {name: getattr(arguments, name) for name in ("controllers", "envs", "seeds")}
    results = load_results(arguments.results, **chosen)
    if arguments.csv is not None:
        files = write_csv(results, Path(arguments.csv))
        print(f"{len(results)} runs: {', '.join(map(str, files))}")
        return
    _print(shown(results))


def _pack(results: str) -> None:
    from atn_gym.eval.storage.pack import pack

    packed = pack(Path(results))
    for name, reason in packed.left.items():
        print(f"atn-gym: left as it is: {name}: {reason}", file=sys.stderr)
    print(
        f"{packed.merged} files merged into {packed.written}, {packed.converted} runs converted: "
        f"{results}"
    )


def _compare(arguments: argparse.Namespace) -> None:
    from atn_gym.eval.report.verdicts import compare_stored

    results = Path(arguments.results)
    pair = arguments.first, arguments.second
    how = {name: getattr(arguments, name) for name in ("metric", "margin", "confidence")}
    if arguments.until_decided is None:
        print(compare_stored(results, *pair, envs=arguments.envs, seeds=arguments.seeds, **how))
        return
    if arguments.envs or arguments.seeds:
        raise InvalidArgument(
            "--until-decided takes envs and seeds from its config: leave out --envs and --seeds"
        )
    from atn_gym.config import load_config
    from atn_gym.eval.running.experiment import run_experiment
    from atn_gym.eval.storage.store import ResultStore
    from atn_gym.eval.until_decided import until_decided

    check_positive_integer("--workers", arguments.workers)
    config = load_config(arguments.until_decided, modules=Path.cwd())
    store = ResultStore(results.absolute())
    with _executor(arguments) as (executor, workers):
        batches = until_decided(
            config,
            store,
            *pair,
            batch=arguments.batch,
            at_most=arguments.at_most,
            make_runs=lambda so_far, at: run_experiment(
                so_far, at, executor=executor, workers=workers
            ),
            **how,
        )
        for found in batches:
            print(found, flush=True)


def _train(file: str, results: str | None) -> None:
    from atn_gym.training.config import load_training_config
    from atn_gym.training.log import final_evaluations
    from atn_gym.training.train import train

    # Tasks of the user's own lie where the command is given.
    config = load_training_config(file, modules=Path.cwd())
    root = Path(results) if results else config.results
    folder = root.absolute() / config.experiment
    console = Console()
    began = time.monotonic()
    with Progress(console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(config.experiment, total=config.n_timesteps)
        model = train(config, folder, lambda steps: progress.update(bar, completed=steps))
    for name, value in final_evaluations(folder).items():
        console.print(f"{name}: {value:.4f}", highlight=False)
    console.print(
        f"{config.algorithm}, {config.n_timesteps:,} steps, {time.monotonic() - began:.0f} s. "
        f"Model: {model}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _leaderboard(arguments: argparse.Namespace) -> None:
    from atn_gym.leaderboard.table import between_marks, read_entries, save_entry, top, whole

    if arguments.action == "table":
        entries = read_entries(Path(arguments.entries))
        for file, table in ((arguments.page, whole(entries)), (arguments.readme, top(entries))):
            text = Path(file).read_text(encoding="utf-8")
            Path(file).write_text(between_marks(text, table), encoding="utf-8")
        print(f"{len(entries)} entries: {arguments.page}, {arguments.readme}")
        return
    from atn_gym.eval.running.experiment import run_experiment
    from atn_gym.eval.storage.store import ResultStore
    from atn_gym.leaderboard.check import check
    from atn_gym.leaderboard.submission import read_submission

    check_positive_integer("--workers", arguments.workers)
    check_positive_integer("--at-most", arguments.at_most)
    submission = read_submission(Path(arguments.submission))
    store = ResultStore(Path(arguments.results).absolute() / "leaderboard")
    with _executor(arguments) as (executor, workers):
        entry = check(
            submission,
            store,
            arguments.salt,
            at_most=arguments.at_most,
            make_runs=lambda config, at: run_experiment(
                config, at, executor=executor, workers=workers
            ),
            say=lambda comparison: print(comparison, flush=True),
        )
    value, low, high = entry["adaptation_score"]
    print(f"adaptation score {value:.2f} [{low:.2f}, {high:.2f}]")
    if arguments.save is not None:
        print(f"entry: {save_entry(entry, Path(arguments.save))}")


def _record(arguments: argparse.Namespace) -> None:
    from atn_gym.config import ControllerConfig, EnvConfig, parse_seeds
    from atn_gym.config_file import yaml_mapping
    from atn_gym.eval.running.recording import record

    sys.path.append(str(Path.cwd()))
    controller, env = (
        yaml_mapping(getattr(arguments, f"{whose}_arguments"), f"--{whose}-arguments")
        for whose in ("controller", "env")
    )
    seeds = parse_seeds(arguments.seeds)
    folder = record(
        ControllerConfig(**{**controller, "name": arguments.controller}),
        EnvConfig(**{**env, "id": arguments.env}),
        seeds,
        arguments.dataset,
    )
    print(f"{len(seeds)} runs of {arguments.controller}: {arguments.dataset} in {folder}")


def _export(arguments: argparse.Namespace) -> None:
    from atn_gym.agents.agent_file import SUFFIX
    from atn_gym.training.export import export

    out = Path(arguments.out)
    if out.suffix != SUFFIX:
        raise InvalidArgument(f"FILE must end in {SUFFIX}, got {arguments.out}")
    card = export(Path(arguments.model), out).card
    print(f"{out}: an agent of {card.algorithm}, trained on {card.num_timesteps:,} epochs")


@contextlib.contextmanager
def _executor(arguments: argparse.Namespace) -> Iterator[tuple[Executor | None, int]]:
    """What runs the jobs, None for this process, and how many processes share a machine."""
    from atn_gym.eval.running.cluster import dask_cluster
    from atn_gym.eval.running.executors import processes

    if arguments.dask is not None:
        with dask_cluster(arguments.dask) as cluster:
            yield cluster
    elif arguments.workers > 1:
        with processes(arguments.workers) as executor:
            yield executor, arguments.workers
    else:
        yield None, 1


def command(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and ends the process, even if a thread of a controller's goes on."""
    for stream in (sys.stdout, sys.stderr):
        show_all(stream)
    try:
        status = main(argv)
    except KeyboardInterrupt:
        status = _INTERRUPTED
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    if status != _INTERRUPTED and all(thread.daemon for thread in others):
        sys.exit(status)
    # What an interrupt has cut off would be cleaned up at length, and not without errors.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def show_all(stream: Any) -> None:
    """Has a stream that does not know a character, such as ±, show a substitute."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")


if __name__ == "__main__":
    command()
