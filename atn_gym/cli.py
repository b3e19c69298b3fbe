"""The command line: `atn-gym run`, `atn-gym report` and `atn-gym list`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from atn_gym.errors import AtnGymError
from atn_gym.registration import env_ids


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Returns:
        Its exit status: 1 if runs failed, 2 for an error of the user's.
    """
    parser = argparse.ArgumentParser(
        prog="atn-gym", description="Online hyperparameter control under non-stationary conditions."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run an experiment; what is complete is not run again")
    run.add_argument("--config", required=True, metavar="FILE", help="experiment, see configs/")
    run.add_argument("--results", metavar="FOLDER", help="in place of the one in the config")
    report = commands.add_parser("report", help="write tables and figures of stored results")
    report.add_argument("results", metavar="RESULTS", help="folder of an experiment")
    report.add_argument("--out", metavar="FOLDER", help="of the report, in place of RESULTS")
    commands.add_parser("list", help="print the ids of all envs")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "list":
            print("\n".join(env_ids()))
        elif arguments.command == "report":
            _report(arguments.results, arguments.out)
        else:
            return _run(arguments.config, arguments.results)
    except AtnGymError as error:
        print(f"atn-gym: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\natn-gym: interrupted; run the same command again to resume: complete runs are kept",
            file=sys.stderr,
        )
        return 130
    return 0


def _run(config_file: str, results: str | None) -> int:
    # Imported here because they load torch, which `list` and `--help` do without.
    from atn_gym.config import load_config
    from atn_gym.eval.runner import pending_epochs, run_experiment
    from atn_gym.eval.store import ResultStore
    from atn_gym.eval.table import outcome_tables

    # Controllers and tasks of the user's own lie where the command is given.
    sys.path.insert(0, str(Path.cwd()))
    config = load_config(config_file)
    root = Path(results) if results else config.results
    store = ResultStore(root / config.experiment)
    console = Console()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task(config.experiment, total=pending_epochs(config, store))
        outcomes = run_experiment(config, store, lambda n: progress.advance(bar, n))
    for table in outcome_tables(outcomes):
        console.print(table)
    console.print(f"Results: {store.root}", highlight=False, soft_wrap=True)
    failures = [
        f"{outcome.controller.shown} on {outcome.env.id}, seed {seed}: {reason}"
        for outcome in outcomes
        for seed, reason in outcome.failures.items()
    ]
    for failure in failures:
        print(f"atn-gym: failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _report(results: str, out: str | None) -> None:
    from atn_gym.eval.report import write_report

    written = write_report(Path(results), None if out is None else Path(out))
    for entry in written.skipped:
        print(f"atn-gym: skipped: {entry.name}: {entry.reason}", file=sys.stderr)
    print(f"{written.num_runs} runs: {', '.join(str(file) for file in written.files)}")


if __name__ == "__main__":
    sys.exit(main())
