"""Writes a page of results, tables and all, from a stored sweep.

python docs/make_results_pages.py digits results/benchmark_digits
python docs/make_results_pages.py digits results/benchmark_digits --check
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hidden_scale import by_scale
from page_files import DOCS, write_or_check
from results_origin import commands, origin, seeds, warnings
from results_texts import PAGES
from stored_results import Results

from atn_gym.eval.metrics.adaptation_score import BLIND, REACTIVE_ORACLE
from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import bootstrap
from atn_gym.eval.metrics.formatting import count, number, printable, seed_count
from atn_gym.eval.report.block_statistics import ANYTIME, BlockStatistics
from atn_gym.eval.report.columns import controller_table, estimate_column
from atn_gym.eval.report.document import Table
from atn_gym.eval.report.each_env import won_table
from atn_gym.eval.report.index import BASELINE
from atn_gym.eval.report.markdown import write_part
from atn_gym.eval.report.tables import headline_columns, interval_note


def make_page(name: str, folder: Path) -> str:
    """The text of a page.

    Args:
        name: A key of `PAGES`.
        folder: Results of its config.
    """
    page, results = PAGES[name], Results.read(folder)
    parts = [
        f"# {page.title}",
        f"{page.introduction} This page is written by the last of these commands:",
        "```console\n"
        f"{commands(page, results)}\n"
        f"atn-gym report results/{page.configs[0]}\n"
        f"python docs/make_results_pages.py {name} results/{page.configs[0]}\n"
        "```",
        origin(results),
        seeds(results),
        *warnings(results),
        "## All envs",
        write_part(_headline(results.all_envs)),
        *_with_more_seeds(results),
        *(["## What was learned", *page.learned] if page.learned else []),
        "## Each task",
        write_part(_adaptation_by_task(results)),
        "## Each env",
        *(write_part(_by_regime(results, task)) for task in results.tasks()),
        *_where_the_scale_is_hidden(results),
        "## What a blind schedule gets",
        _blind(results),
        write_part(_what_can_be_won(results)),
        "## What `fixed` gets",
        _fixed(results),
        *_what_strata_do(results),
    ]
    return printable("\n\n".join(parts)) + "\n"


def _headline(s: BlockStatistics) -> Table:
    title = f"{count(len(s.block.envs), 'env')}, {seed_count(len(s.block.seeds))}"
    return controller_table(title, s, headline_columns(s), interval_note(s))


def _with_more_seeds(results: Results) -> list[str]:
    """The headline of those who have more seeds than all have together."""
    more = results.index.block()
    if len(more.seeds) <= len(results.all_envs.block.seeds):
        return []
    absent = [c for c in results.all_envs.block.controllers if c not in more.controllers]
    return [
        "## With more seeds",
        f"The runs of the same commands with `--seeds {len(more.seeds)}`. Left out, for not all of "
        f"these seeds have been run: {', '.join(f'`{name}`' for name in absent)}.",
        write_part(_headline(BlockStatistics(results.index, more))),
    ]


def _adaptation_by_task(results: Results) -> Table:
    """The adaptation score of every controller, a column for each task."""
    columns, undefined = [], []
    for task, envs in results.tasks().items():
        s = results.of_envs(list(envs.values()))
        reason = s.why_no_adaptation_score()
        undefined += [f"{task}: {reason}"] if reason else []
        columns += [
            estimate_column(f"{task}: adaptation score", s.adaptation_score(), digits=2),
            estimate_column(f"{task}: anytime performance", s.anytime),
        ]
    note = (
        f"The adaptation score is 0 for {BLIND} and 1 for {REACTIVE_ORACLE}, over the envs of "
        f"a task. Brackets are 95 % bootstrap intervals over seeds. {' '.join(undefined)}"
    )
    return controller_table("Adaptation score by task", results.all_envs, columns, note.strip())


def _by_regime(results: Results, task: str) -> Table:
    """Anytime performance on every env of a task."""
    columns = []
    for regime, env in results.tasks()[task].items():
        columns.append(estimate_column(regime, results.of_envs([env]).anytime))
    note = "Anytime performance, with 95 % bootstrap intervals over seeds."
    return controller_table(task, results.all_envs, columns, note)


def _where_the_scale_is_hidden(results: Results) -> list[str]:
    """At which gains a method fails, for each task that hides one."""
    parts = []
    for task, envs in results.tasks().items():
        if task.endswith("UnknownScale"):
            same = [env for regime, env in envs.items() if regime != "Mixture"]
            table = by_scale(results.of_envs(same), task)
            parts += [write_part(table)] if table else []
    return ["## By the hidden scale", *parts] if parts else []


def _what_can_be_won(results: Results) -> Table:
    """Fixed, blind, the best contender and the oracle on every env."""
    s = results.all_envs
    return won_table({env: results.of_envs([env]) for env in s.block.envs}, s)


def _contenders(s: BlockStatistics) -> list[int]:
    """All that are neither references nor `fixed` nor `blind`."""
    return [c for c in s.order if not s.is_reference[c] and c not in (s.baseline, s.blind)]


def _blind(results: Results) -> str:
    s = results.all_envs
    if s.blind is None:
        return f"The sweep has no runs of `{BLIND}`."
    blind, others = s.anytime.value[s.blind], _contenders(s)
    below = [s.block.controllers[c] for c in others if s.anytime.value[c] < blind]
    return (
        f"`{BLIND}` is one schedule, tuned for the data set, which never observes its run. Over "
        f"all envs its anytime performance is {number(float(blind))}. "
        f"{_how_many(below, others)} below it{_names(below)}."
    )


def _fixed(results: Results) -> str:
    s = results.all_envs
    if s.baseline is None:
        return f"The sweep has no runs of `{BASELINE}`."
    found, others = s.against_baseline(), _contenders(s)
    fixed = number(float(s.anytime.value[s.baseline]))
    worse = [s.block.controllers[c] for c in others if found.high[c] < 0]
    better = [s.block.controllers[c] for c in others if found.low[c] > 0]
    differences = controller_table(
        "Anytime performance less that of fixed, paired by seed",
        s,
        [estimate_column("difference", found)],
    )
    return (
        f"`{BASELINE}` keeps the initial values. Over all envs its anytime performance is {fixed}. "
        f"{_how_many(worse, others)} below it by more than chance explains{_names(worse)}; "
        f"{len(better)} above it{_names(better)}.\n\n{write_part(differences)}"
    )


def _what_strata_do(results: Results) -> list[str]:
    """Intervals with each env as one population, beside those that take its beginnings apart."""
    s = results.all_envs
    if len(s.strata) == len(s.block.envs):
        return []
    scores = s.block.values(ANYTIME)
    pooled = bootstrap(scores, mean, np.random.default_rng(0))
    widths = [np.median(found.high - found.low) for found in (pooled, s.anytime)]
    table = controller_table(
        "Anytime performance, two intervals",
        s,
        [estimate_column("beginnings apart", s.anytime), estimate_column("pooled", pooled)],
    )
    return [
        "## What strata do to the intervals",
        "The two beginnings of PoorInit are two populations. Pooled, the gap between them counts "
        f"as noise between seeds: the median width of an interval is then {widths[0]:.3f}, and "
        f"{widths[1]:.3f} with the beginnings apart.",
        write_part(table),
    ]


def _how_many(some: Sequence[str], of: Sequence[int]) -> str:
    return f"{len(some)} of {count(len(of), 'other contender')} {'is' if len(some) == 1 else 'are'}"


def _names(names: Sequence[str]) -> str:
    return f" ({', '.join(f'`{name}`' for name in names)})" if names else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes a page, or checks the one that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", choices=PAGES, help="which page")
    parser.add_argument("results", type=Path, help="results folder of its config")
    parser.add_argument("--out", type=Path, help="file to write (default: docs/results_PAGE.md)")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    chosen = parser.parse_args(arguments)
    out = chosen.out or DOCS / f"results_{chosen.page}.md"
    text = make_page(chosen.page, chosen.results)
    return write_or_check(out, text, chosen.results, chosen.check)


if __name__ == "__main__":
    sys.exit(main())
