"""How the results of a report were made, and what is missing from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from atn_gym.eval.metrics.formatting import NONE, count, number
from atn_gym.eval.report.document import Listing, Paragraph, Part, Row, Section, Table, row
from atn_gym.eval.report.index import REFERENCES, YOKED, Block, ResultIndex
from atn_gym.eval.report.run_budget import num_epochs, one_run_flops, one_run_steps
from atn_gym.eval.storage.experiment import StoredExperiment
from atn_gym.eval.storage.names import Variant, show
from atn_gym.eval.storage.runs import StoredRun

_COLUMNS = ("task", "regime", "kind", "severity", "profile", "trigger")
"""Arguments of an env that have a column of their own."""
_UNKNOWN = "unknown"
_FACTS = {
    "atn_gym": "atn_gym",
    "python": "Python",
    "packages": "packages",
    "workers": "processes",
    "threads": "threads of each",
    "processor": "processor",
    "git_commit": "commit",
}


def setting_section(stored: StoredExperiment, index: ResultIndex) -> Section:
    """Tasks, regimes, controllers, compute budget, seeds and versions."""
    section = Section("Settings and provenance")
    section.parts += [_env_table(index), _controller_table(index)]
    section.parts.append(_fact_table(stored, index))
    return section


def warnings(index: ResultIndex, block: Block) -> list[Part]:
    """What to know before one believes the results."""
    found = _version_warnings(list(index.runs.values()))
    left_out = index.left_out(block)
    if left_out:
        found.append(
            "Tables and figures over all envs need every controller on every env with the "
            f"same seeds. They leave out {'; '.join(left_out)}."
        )
    if index.failed:
        found.append(f"{count(len(index.failed), 'group')} of runs failed: see the end.")
    return [Paragraph(warning, is_warning=True) for warning in found]


def gaps(stored: StoredExperiment, index: ResultIndex) -> list[Part]:
    """What is missing from the results, and what was not read."""
    skipped = [f"{entry.name}: {entry.reason}" for entry in stored.skipped] + index.superseded
    found = {
        "Runs that failed": index.failed,
        "Missing runs": index.missing(),
        "Earlier versions of a controller": stored.stale,
        "Not read": skipped,
    }
    return [Listing(title, tuple(items)) for title, items in found.items() if items]


def _version_warnings(runs: Sequence[StoredRun]) -> list[str]:
    versions, commits = Counter(map(_version, runs)), Counter(map(_commit, runs))
    warnings = []
    if len(versions) > 1:
        warnings.append(f"different versions of atn_gym: {_counts(versions)}")
    # Runs of an unknown commit say nothing about the others.
    if len(commits.keys() - {_UNKNOWN}) > 1:
        warnings.append(f"different commits of atn_gym: {_counts(commits)}")
    return [f"These are runs of {what}. Do not compare across them." for what in warnings]


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{name} ({count(n, 'run')})" for name, n in sorted(found.items()))


def _version(run: StoredRun) -> str:
    return str(run.text("version") or _UNKNOWN)


def _commit(run: StoredRun) -> str:
    return str(run.text("commit") or _UNKNOWN)


def _env_table(index: ResultIndex) -> Table:
    arguments = [env.arguments for env in index.envs]
    shared = _shared(arguments)
    same = {k: v for k, v in shared.items() if k not in _COLUMNS and v is not None}
    rows = [_env_row(env, index.of_env(env.label), shared) for env in index.envs]
    has_others = any(r.cells[-1].text for r in rows)
    headings = ("env", *_COLUMNS, "shock after epoch", "epochs", "gradient steps", "GFLOP")
    return Table(
        "Tasks, regimes and compute budget of one run",
        (*headings, "other") if has_others else headings,
        tuple(rows if has_others else [Row(r.cells[:-1]) for r in rows]),
        "The same in all envs: "
        + ", ".join(f"{k} {show(v)}" for k, v in sorted(same.items()))
        + "."
        if same
        else "",
        is_text=True,
    )


def _env_row(env: Variant, runs: list[StoredRun], shared: dict[str, Any]) -> Row:
    shocks = sorted({run.metric("shock_epoch") for run in runs if _is_shocked(run)})
    shown = f"{shocks[0]:g}" if shocks else "none"
    if len(shocks) > 1:
        shown = f"{shocks[0]:g} to {shocks[-1]:g}"
    elsewhere = {*shared, *_COLUMNS, "num_epochs"}
    others = {k: v for k, v in env.arguments.items() if k not in elsewhere and v is not None}
    own = [f"{k} {show(v)}" for k, v in sorted(others.items())]
    return row(
        env.name,
        *(_argument(env.arguments.get(name)) for name in _COLUMNS),
        shown,
        str(max(num_epochs(run) for run in runs)),
        number(one_run_steps(runs), 0),
        number(one_run_flops(runs) / 1e9, 2),
        ", ".join(own),
    )


def _is_shocked(run: StoredRun) -> bool:
    return bool(np.isfinite(run.metric("shock_epoch")))


def _argument(value: Any) -> str:
    return NONE if value is None else show(value)


def _controller_table(index: ResultIndex) -> Table:
    rows = []
    for controller in index.controllers:
        given = {k: v for k, v in sorted(controller.arguments.items()) if v is not None}
        own_name = [] if controller.label.startswith(controller.name) else [controller.name]
        text = ", ".join([*own_name, *(f"{k} {show(v)}" for k, v in given.items())])
        is_reference = controller.name in REFERENCES
        role = "privileged reference" if is_reference else "contender"
        role = "control" if controller.name == YOKED else role
        rows.append(row(controller.label, role, text or NONE, is_reference=is_reference))
    return Table(
        "Controllers",
        ("controller", "role", "arguments"),
        tuple(rows),
        "A privileged reference observes what contenders must not, a control does in a run what "
        "was chosen in another. Neither is ranked.",
        is_text=True,
    )


def _fact_table(stored: StoredExperiment, index: ResultIndex) -> Table:
    seeds = ", ".join(str(seed) for seed in index.seeds)
    runs = list(index.runs.values())
    rows = [
        row("seeds", f"{len(index.seeds)}: {seeds}"),
        row("runs", number(len(index.runs), 0)),
        row("atn_gym of the runs", _counts(Counter(map(_version, runs)))),
        row("commit of the runs", _counts(Counter(map(_commit, runs)))),
    ]
    manifest = dict(stored.manifest or {})
    earlier = [one for one in _list(manifest.pop("earlier", [])) if isinstance(one, dict)]
    for name, value in manifest.items():
        if name != "seeds":
            before = dict.fromkeys(_fact(one.get(name)) for one in earlier)
            others = [fact for fact in before if fact != _fact(value)]
            facts = "; earlier ".join([_fact(value), *others])
            rows.append(row(_FACTS.get(name, name), facts))
    note = "Versions and machine are those in manifest.json, which `atn-gym run` writes."
    if stored.manifest is None:
        note = "manifest.json is missing or damaged: versions and machine are unknown."
    return Table("Seeds, versions and machine", ("what", "value"), tuple(rows), note, is_text=True)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_argument(fact)}" for name, fact in value.items())
    return _UNKNOWN if value is None else show(value)


def _shared(arguments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Arguments that all envs have with the same value."""
    first, *others = arguments
    return {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }
