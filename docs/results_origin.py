"""Where the runs of a results page come from, and which are missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from results_texts import Page
from stored_results import Results

from atn_gym.eval.metrics.formatting import count

_HASH = re.compile(r"([0-9a-f]{10})[0-9a-f]{30}")
_SEVERAL = re.compile(r"\d+(?:, \d+){2,}")


def commands(page: Page, results: Results) -> str:
    """The commands that make the runs."""
    seeds = results.all_envs.block.seeds
    first = f" --seeds {len(seeds)}" if seeds == tuple(range(len(seeds))) else ""
    return "\n".join(f"atn-gym run --config {config}{first}" for config in page.configs)


def origin(results: Results) -> str:
    """Commits, shortened, versions and machine."""
    runs = results.stored.runs
    commits = Counter(_HASH.sub(r"\1", str(run.text("commit") or "unknown")) for run in runs)
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


def seeds(results: Results) -> str:
    """Which seeds the tables have, and how many runs."""
    block = results.all_envs.block
    first, last = min(block.seeds), max(block.seeds)
    which = f"{first} to {last}" if len(block.seeds) == last - first + 1 else _listed(block.seeds)
    runs = len(block.controllers) * len(block.envs) * len(block.seeds)
    return (
        f"Seeds {which}: {count(runs, 'run')}, by "
        f"{count(len(block.controllers), 'controller')} on {count(len(block.envs), 'env')}."
    )


def warnings(results: Results) -> list[str]:
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


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
