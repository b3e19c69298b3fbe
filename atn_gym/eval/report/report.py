"""The report of an experiment: tables with intervals and figures, in one folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atn_gym.eval.metrics.formatting import count, seed_count
from atn_gym.eval.report.behaviour_tables import adaptation_table, stability_table
from atn_gym.eval.report.block_statistics import Standing
from atn_gym.eval.report.document import Document, Row, Section, Table
from atn_gym.eval.report.figures import (
    headline_figure,
    profile_figure,
    recovery_figure,
    run_figure,
    trade_off_figure,
)
from atn_gym.eval.report.html import to_html
from atn_gym.eval.report.index import Block, Comparison
from atn_gym.eval.report.markdown import to_markdown
from atn_gym.eval.report.setting import gaps_section, setting_section
from atn_gym.eval.report.tables import compute_table, env_table, headline_table
from atn_gym.eval.storage.experiment import REPORT_FILES, Skipped, StoredExperiment, read_experiment
from atn_gym.eval.storage.selection import CURRENT, Selection, select
from atn_gym.files import StoreError, write_atomically


@dataclass(frozen=True)
class Written:
    """A report that was written.

    Args:
        files: Its files.
        num_runs: Number of runs that it is about.
        skipped: What lay among them and was not read.
        stale: Earlier versions of controllers, which were left out.
    """

    files: list[Path]
    num_runs: int
    skipped: list[Skipped]
    stale: list[str]


def write_report(results: Path, out: Path | None = None, selection: Selection = CURRENT) -> Written:
    """Reports the complete runs of an experiment.

    Args:
        results: Folder of the experiment, such as `results/digits_data_shift`.
        out: Folder of the report, made if absent; that of the experiment if None.
        selection: Which runs; by default all of the current source of every controller.

    Returns:
        What was written: `report.html`, which needs no other file, `report.md` and
        `summary.csv`, which has a row for every run.

    Raises:
        StoreError: If there is no experiment, or the report cannot be written.
        InvalidArgument: If the selection names what is not there.
    """
    stored = select(read_experiment(results), selection)
    document = make_document(stored)
    folder = results if out is None else out
    comparison = Comparison(stored.runs, stored.labels, stored.failures)
    texts = (to_html(document), to_markdown(document), summary_csv(comparison))
    files = [folder / name for name in REPORT_FILES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(files, texts, strict=True):
            write_atomically(file, text)
    except OSError as error:
        raise StoreError(
            f"a report cannot be written to {folder} ({error.strerror}): choose another folder "
            "with --out"
        ) from error
    return Written(files, len(stored.runs), stored.skipped, stored.stale)


def make_document(stored: StoredExperiment) -> Document:
    """Says everything that a report says."""
    comparison = Comparison(stored.runs, stored.labels, stored.failures)
    standing = Standing(comparison, comparison.block())
    title = ", ".join(
        [
            f"{stored.name}: {count(len(comparison.envs), 'env')}",
            count(len(comparison.controllers), "controller"),
            seed_count(len(comparison.seeds)),
        ]
    )
    gaps = gaps_section(stored, comparison)
    recovery = recovery_figure(standing)
    adaptation = Section("Adaptation", [adaptation_table(standing)])
    if recovery is not None:
        adaptation.parts.append(recovery)
    sections = [
        setting_section(stored, comparison),
        *([] if gaps is None else [gaps]),
        Section("Headline", [headline_table(standing), headline_figure(standing)]),
        Section("Stability", [stability_table(standing), profile_figure(standing)]),
        adaptation,
        Section("Compute", [compute_table(standing), trade_off_figure(standing)]),
        _env_section(comparison),
        _run_section(comparison, standing),
    ]
    return Document(title, tuple(sections))


def summary_csv(comparison: Comparison) -> str:
    """A row for every run: what it is called, its summary, and its config."""
    rows: list[dict[str, Any]] = []
    for (controller, env, seed), run in sorted(comparison.runs.items()):
        named = {"env": env, "controller": controller, "seed": seed, "run": run.key}
        config = {name: run.config[name] for name in ("env", "controller")}
        rows.append(named | _flat("", run.summary) | _flat("config.", config))
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    """Nested values by names with dots, and lists as JSON."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(f"{prefix}{name}.", value)
        else:
            flat[f"{prefix}{name}"] = json.dumps(value) if isinstance(value, list) else value
    return flat


def _env_section(comparison: Comparison) -> Section:
    section = Section("Each env")
    for env in comparison.envs:
        section.parts += _env_tables(comparison, env.label)
    return section


def _env_tables(comparison: Comparison, env: str) -> list[Table]:
    """Tables of the runs with the same seeds, and below them those that have none of these."""
    block = comparison.block(env)
    unpaired = comparison.unpaired(block)
    note = _seed_note(comparison, block, unpaired)
    standing, *others = [Standing(comparison, of) for of in (block, *unpaired)]
    tables = []
    for make in (env_table, stability_table, adaptation_table):
        table = make(standing, env)
        alone = [make(own, env).rows[0] for own in others]
        rows = (*table.rows, *(_marked(row, "unpaired") for row in alone))
        tables.append(replace(table, rows=rows, note=table.note + note))
    return tables


def _seed_note(comparison: Comparison, block: Block, unpaired: list[Block]) -> str:
    """Which runs of the controllers on an env are left out, and which stand by themselves."""
    (env,) = block.envs
    runs = [run for c in block.controllers for run in comparison.of_pair(c, env)]
    lost = sorted({run.seed for run in runs} - set(block.seeds))
    notes = [f" Left out, because not all have them: {_seeds(lost)}."] if lost else []
    notes += [
        f" {own.controllers[0]} stands by itself, not paired with the others: its row is of "
        f"{_seeds(own.seeds)}."
        for own in unpaired
    ]
    return "".join(notes)


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _marked(row: Row, detail: str) -> Row:
    first, *others = row.cells
    return replace(row, cells=(replace(first, detail=detail), *others))


def _run_section(comparison: Comparison, standing: Standing) -> Section:
    ranked = [standing.block.controllers[c] for c in standing.order]
    others = [c.label for c in comparison.controllers if c.label not in ranked]
    section = Section("Runs over epochs")
    section.parts += [run_figure(comparison, env.label, ranked + others) for env in comparison.envs]
    return section
