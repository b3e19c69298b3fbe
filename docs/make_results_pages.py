"""Writes a page of results, tables and all, from a stored sweep.

python docs/make_results_pages.py digits results/benchmark_digits
python docs/make_results_pages.py digits results/benchmark_digits --check
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

import numpy as np
from hidden_scale import by_scale

from atn_gym.eval.metrics.adaptation_score import BLIND, REACTIVE_ORACLE
from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import FEW_SEEDS, bootstrap
from atn_gym.eval.metrics.formatting import count, number, printable, seed_count
from atn_gym.eval.report.block_statistics import ANYTIME, BlockStatistics
from atn_gym.eval.report.columns import controller_table, estimate_column
from atn_gym.eval.report.document import Table
from atn_gym.eval.report.each_env import of_envs, won_table
from atn_gym.eval.report.index import BASELINE, Block, ResultIndex
from atn_gym.eval.report.markdown import write_part
from atn_gym.eval.report.tables import headline_columns, interval_note
from atn_gym.eval.storage.experiment import StoredExperiment, read_experiment
from atn_gym.eval.storage.selection import select

DOCS = Path(__file__).parent
_SEVERAL = re.compile(r"\d+(?:, \d+){2,}")


@dataclass(frozen=True)
class Page:
    """A page of results.

    Args:
        title: Its heading.
        configs: The configs that make the results, all of one folder.
        introduction: What is measured, in a sentence or two.
        learned: What the tables say, a paragraph each.
    """

    title: str
    configs: tuple[str, ...]
    introduction: str
    learned: tuple[str, ...] = ()


PAGES = {
    "digits": Page(
        "Results on Digits",
        ("benchmark_digits", "benchmark_digits_references"),
        "Every controller with its defaults on every Digits env, but for those with an optimizer "
        "of their own. Digits come with scikit-learn, so nothing is downloaded.",
        (
            "**On a known scale and from a good beginning, a schedule that never looks is hard to "
            "beat.** Under Stationary most contenders are within 0.05 of `blind`; under DataShift "
            "and CurriculumShift every hand-written rule is below it. Looking wins under Mixture "
            "and OptimizerSensitivityShift, where the scale changes on the way.",
            "**The agent that observes gradients wins where others do, and loses little where "
            "they do.** [`ppo_gradient`](agents/ppo_gradient.md) is above `blind` on all of "
            "UnknownScale, Mixture and OptimizerSensitivityShift; `blind` is above it from a poor "
            "beginning under CurriculumShift and DataShift.",
            "**The published AutoTuneNet fails by exploring**: `autotunenet_original` is below "
            "`fixed` on 16 of 18 envs, for its optimiser tries rates at random in the only run "
            "that there is. The tuned `autotunenet` moves less and does less harm.",
            "**A guard does not save a method that is good**: `guarded_range_test` is below "
            "`range_test`, because the trust region forbids the large first step that finds the "
            "scale.",
        ),
    ),
    "unknown_scale": Page(
        "Results on UnknownScale",
        ("unknown_scale_digits", "unknown_scale_digits_optimizers"),
        "Every method that trains no epochs but those of its run, with its defaults, on the "
        "Digits envs whose learning rate takes effect multiplied by a hidden gain. Looking can "
        "win most here.",
        (
            "**Most rules lose before they have looked.** A run that begins at the nominal rate "
            "and has more than the right one is often dead when its loss is first observed. The "
            "last column of the table by the hidden gain shows it: only methods that begin lower "
            "(`range_test`, `hypergradient`, the two agents) or whose optimizer bounds its steps "
            "keep most of those runs.",
            "**A rate far too low is as deadly, and slower.** Schedules, which start from the "
            "nominal rate and only lower it, and rules that only cut (`reduce_lr_on_plateau`) get "
            "next to nothing in the first column. `greedy_lr` and `heuristic` raise it by a tenth "
            "an epoch at most, which is too late.",
            "**One number of the gradients makes a rule of two arguments a match for the best "
            "rule on losses.** `hypergradient` follows the alignment of successive steps and is "
            "on a par with `range_test`, which has ten arguments; an agent that observes the "
            "same signals reaches nearly all that can be won by looking.",
            "**Optimizers that bound their steps answer half of the question.** "
            "`schedule_free_adamw` and `nadamw` survive rates that are too high, "
            "`schedule_free_adamw` better than any rule, but none of them finds a scale that is "
            "too low: in the mean they are below both rules. `dog` counts sizes as they are, so "
            "that a gain is not made up for. `dadapt_sgd` collapses in most runs, under Stationary "
            "as well, so that it is not the shock that ends them.",
            "**Yoked controls are at or below `blind`**: what a method did in another run is worth "
            "nothing here, so that all that is won above it is won by looking.",
        ),
    ),
    "mnist": Page(
        "Results on MNIST",
        ("benchmark_mnist",),
        "The main methods with their defaults on four MNIST envs. The agents were trained on "
        "Digits only. `reactive_oracle` is absent, for an epoch with it costs as much as 65: so "
        "there is no adaptation score.",
        (
            "**A hidden scale costs less here than on Digits.** An epoch has 843 gradient steps in "
            "place of 17, which make up for a rate that is too low: under Stationary `fixed` loses "
            "0.05 to it, on Digits 0.39.",
            "**What an agent learned from gradients carries over, what it learned from losses does "
            "not.** `ppo_gradient` is first on all four envs; `ppo_adaptive` is below `fixed` "
            "where labels shift and the scale is hidden.",
            "**A peak that is an absolute rate is a risk**: `one_cycle`, tuned on Digits, loses "
            "two runs of sixteen.",
        ),
    ),
}


@dataclass(frozen=True)
class Results:
    """A sweep: what is stored, its index, and the statistics over all envs."""

    stored: StoredExperiment
    index: ResultIndex
    all_envs: BlockStatistics

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Reads the runs of the current source of every controller."""
        stored = select(read_experiment(folder))
        index = ResultIndex(stored.runs, stored.labels, stored.failures)
        return cls(stored, index, BlockStatistics(index, of_everybody(index) or index.block()))

    def of_envs(self, envs: Sequence[str]) -> BlockStatistics:
        """Statistics of the same controllers and seeds on some envs."""
        return of_envs(self.index, self.all_envs.block, envs)

    def tasks(self) -> dict[str, dict[str, str]]:
        """Labels of the envs by regime, for each task."""
        tasks: dict[str, dict[str, str]] = {}
        for env in self.index.envs:
            if env.label in self.all_envs.block.envs:
                regimes = tasks.setdefault(str(env.arguments["task"]), {})
                regimes[env.label.removeprefix(f"{env.arguments['task']}-")] = env.label
        return tasks


def of_everybody(index: ResultIndex) -> Block | None:
    """All controllers on all envs, with the seeds that all of them have; None if there are none.

    A controller that has fewer seeds than an interval needs, and than most have, is left out.
    """
    envs = [env.label for env in index.envs]
    complete = {
        c.label: {s for s in index.seeds if all((c.label, env, s) in index.runs for env in envs)}
        for c in index.controllers
    }
    enough = min(FEW_SEEDS, median_low(map(len, complete.values())) if complete else 0)
    complete = {c: seeds for c, seeds in complete.items() if len(seeds) >= enough}
    shared = set.intersection(*complete.values()) if complete else set()
    if len(shared) < enough or not enough:
        return None
    return Block(tuple(complete), tuple(envs), tuple(sorted(shared)), index.runs)


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
        f"{_runs(page, results)}\n"
        f"atn-gym report results/{page.configs[0]}\n"
        f"python docs/make_results_pages.py {name} results/{page.configs[0]}\n"
        "```",
        _origin(results),
        _seeds(results),
        *_warnings(results),
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


def _runs(page: Page, results: Results) -> str:
    """The commands that make the runs."""
    seeds = results.all_envs.block.seeds
    first = f" --seeds {len(seeds)}" if seeds == tuple(range(len(seeds))) else ""
    return "\n".join(f"atn-gym run --config {config}{first}" for config in page.configs)


def _origin(results: Results) -> str:
    """Commit, versions and machine."""
    runs = results.stored.runs
    commits = Counter(str(run.text("commit") or "unknown") for run in runs)
    versions = Counter(str(run.text("version")) for run in runs)
    said = "; ".join(f"{commit} ({count(n, 'run')})" for commit, n in commits.most_common())
    parts = [f"Made by atn_gym {', '.join(versions)}, commit {said}."]
    manifest = results.stored.manifest
    if manifest is not None:
        packages = manifest.get("packages") or {}
        used = [f"{package} {version}" for package, version in packages.items() if version]
        parts.append(
            f"Python {manifest.get('python')}, {', '.join(used)}; {manifest.get('processor')}, "
            f"worker processes: {manifest.get('workers')}."
        )
    return " ".join(parts)


def _seeds(results: Results) -> str:
    block = results.all_envs.block
    first, last = min(block.seeds), max(block.seeds)
    which = f"{first} to {last}" if len(block.seeds) == last - first + 1 else _listed(block.seeds)
    runs = len(block.controllers) * len(block.envs) * len(block.seeds)
    return (
        f"Seeds {which}: {count(runs, 'run')}, by "
        f"{count(len(block.controllers), 'controller')} on {count(len(block.envs), 'env')}."
    )


def _warnings(results: Results) -> list[str]:
    """What is missing."""
    index, lines = results.index, []
    left_out = index.left_out(results.all_envs.block)
    if left_out:
        which = _SEVERAL.sub(_as_range, "; ".join(left_out))
        lines.append(f"Tables leave out {which}: not every controller has them.")
    if index.failed:
        lines.append(f"{count(len(index.failed), 'group')} of runs failed: see the report.")
    return [f"> {line}" for line in lines]


def _as_range(found: re.Match[str]) -> str:
    """Consecutive numbers as "1 to 9", others as they are."""
    numbers = [int(number) for number in found[0].split(", ")]
    consecutive = numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]} to {numbers[-1]}" if consecutive else found[0]


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
        f"Without {', '.join(f'`{name}`' for name in absent)}, which cost more and have fewer.",
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


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def write_or_check(page: Path, text: str, results: Path, check: bool) -> int:
    """Writes a page, or compares the one that is there and writes nothing.

    Args:
        page: The file.
        text: What it is to hold.
        results: Where that comes from.
        check: Whether to compare.

    Returns:
        Exit status: 1 if the page does not match.
    """
    if not check:
        page.write_text(text, encoding="utf-8")
    elif not page.is_file() or page.read_text(encoding="utf-8") != text:
        print(f"{page} does not match {results}: write it again without --check")
        return 1
    return 0


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
