"""The report of an experiment: tables with intervals and figures, in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atn_gym.eval.metrics.formatting import count, printable, seed_count
from atn_gym.eval.report.answer import answers
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.document import Document, Section
from atn_gym.eval.report.each_env import env_section
from atn_gym.eval.report.figures import (
    headline_figure,
    profile_figure,
    recovery_figure,
    trade_off_figure,
)
from atn_gym.eval.report.html import to_html
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.report.markdown import to_markdown
from atn_gym.eval.report.paper import write_paper
from atn_gym.eval.report.setting import gaps, setting_section, warnings
from atn_gym.eval.report.summary_csv import summary_csv
from atn_gym.eval.report.tables import (
    adaptation_table,
    charged_table,
    performance_table,
    safety_table,
)
from atn_gym.eval.storage.experiment import (
    PAPER_FOLDER,
    REPORT_FILES,
    Skipped,
    StoredExperiment,
    read_experiment,
)
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


def write_report(
    results: Path,
    out: Path | None = None,
    selection: Selection = CURRENT,
    *,
    for_paper: bool = False,
) -> Written:
    """Reports the complete runs of an experiment.

    Args:
        results: Folder of the experiment, such as `results/digits_data_shift`.
        out: Folder of the report, made if absent; that of the experiment if None.
        selection: Which runs; by default all of the current source of every controller.
        for_paper: Whether to write figures and tables as files of their own as well.

    Returns:
        What was written: `report.html`, which needs no other file, `report.md` and
        `summary.csv`, which has a row for every run. For a paper, also the folder `paper` with
        every figure as SVG and PDF and every table as LaTeX.

    Raises:
        StoreError: If there is no experiment, or the report cannot be written.
        InvalidArgument: If the selection names what is not there.
    """
    stored = select(read_experiment(results), selection)
    index = ResultIndex(stored.runs, stored.labels, stored.failures)
    document = make_document(stored, index)
    texts = (printable(to_html(document)), printable(to_markdown(document)), summary_csv(index))
    folder = results if out is None else out
    files = [folder / name for name in REPORT_FILES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(files, texts, strict=True):
            write_atomically(file, text)
        if for_paper:
            files += write_paper(document, folder / PAPER_FOLDER)
    except OSError as error:
        raise StoreError(
            f"a report cannot be written to {folder} ({error.strerror}): choose another folder "
            "with --out"
        ) from error
    return Written(files, len(stored.runs), stored.skipped, stored.stale)


def make_document(stored: StoredExperiment, index: ResultIndex) -> Document:
    """Makes the content of a report: the answer, then envs, methods, and how they were run."""
    statistics = BlockStatistics(index, index.block())
    title = ", ".join(
        [
            f"{stored.name}: {count(len(index.envs), 'env')}",
            count(len(index.controllers), "controller"),
            seed_count(len(index.seeds)),
        ]
    )
    first = Section("Answer", [answers(statistics), headline_figure(statistics)])
    first.parts += warnings(index, statistics.block)
    methods = Section("Methods")
    for table, figure in (
        (performance_table, profile_figure),
        (safety_table, None),
        (adaptation_table, recovery_figure),
        (charged_table, trade_off_figure),
    ):
        methods.parts.append(table(statistics))
        methods.parts += filter(None, [figure and figure(statistics)])
    setting = setting_section(stored, index)
    setting.parts += gaps(stored, index)
    ranked = [statistics.block.controllers[c] for c in statistics.order]
    others = [c.label for c in index.controllers if c.label not in ranked]
    envs = env_section(index, statistics, ranked + others)
    return Document(title, (first, envs, methods, setting), tuple(ranked + others))
