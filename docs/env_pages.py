"""Pages of the envs, made from the registry and the docstrings when the site is built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path

from atn_gym.envs import registry
from atn_gym.envs.regimes import DataShift
from atn_gym.envs.tasks import Task
from atn_gym.envs.tuning_env import TuningEnv
from atn_gym.registration import env_ids

DOCS = Path(__file__).parent
FOLDER = DOCS / "envs"
VARIANTS = {
    "": "the initial hyperparameters of the task",
    "PoorInit": "poor initial values; seeds take one set after the other",
    "UnknownScale": "a hidden gain on the learning rate",
}

_INDEX = """# Envs

All envs have one class, `TuningEnv`, with the same spaces, rewards and infos; `gymnasium.make_vec`
makes the vector env of the same runs. An id is `atn_gym/<Task>-<Regime>-v0`.

{docstring}

## All tasks

| task | data | network | epochs |
|---|---|---|---|
{rows}

Each has a page with its ids, and [Tasks](../tasks.md) says what they do when left alone.
"""

_PAGE = """# {name}

{picture}

## What is trained

- **Data**: {data}
- **Network**: {network}
- **Optimizer**: `{optimizer}`, mini-batches of {batch_size}, a budget of {num_epochs} epochs.

## Where runs begin

| task | learning rate | momentum | weight decay | gain, decades | beginning |
|---|---|---|---|---|---|
{beginnings}

## Ids

{ids}

[Envs](index.md) describes spaces, rewards and infos, and [Regimes](../regimes.md) what each regime
does.

```python
import gymnasium as gym

import atn_gym  # registers the envs

env = gym.make("{example}", kind="{kind}", severity=0.5)
```
"""


def families() -> dict[str, list[str]]:
    """Names of tasks and their variants, by the task that they vary."""
    found: dict[str, list[str]] = {}
    for name in registry.task_names():
        base = re.sub(f"({'|'.join(filter(None, VARIANTS))})$", "", name)
        found.setdefault(base, []).append(name)
    return found


def animation(task: str) -> Path:
    """Where the animation of a run of a task lies, if there is one."""
    return DOCS / "pictures" / f"run_{task}.gif"


def write_env_pages() -> None:
    """Writes docs/envs/, which git ignores."""
    FOLDER.mkdir(exist_ok=True)
    tasks = families()
    rows = []
    for name in tasks:
        task = registry.get_task(name)
        cells = f"[`{name}`]({name}.md)", _summary(task.dataset), _summary(task.network)
        rows.append(f"| {' | '.join(cells)} | {task.num_epochs} |")
        (FOLDER / f"{name}.md").write_text(_page(name, tasks[name]), encoding="utf-8")
    docstring, _, _ = (inspect.getdoc(TuningEnv) or "").partition("\nRaises:")
    _, _, docstring = docstring.partition("\n")
    text = _INDEX.format(docstring=docstring.strip(), rows="\n".join(rows))
    tree = ["```{toctree}", ":hidden:", *tasks, "```", ""]
    (FOLDER / "index.md").write_text("\n".join([text, *tree]), encoding="utf-8")


def _page(name: str, variants: Sequence[str]) -> str:
    task = registry.get_task(name)
    optimizer = task.optimizer if isinstance(task.optimizer, str) else task.optimizer.__name__
    return _PAGE.format(
        name=name,
        picture=_picture(name),
        data=_summary(task.dataset),
        network=f"`{task.network.__name__}`. {_summary(task.network)}",
        optimizer=optimizer,
        batch_size=task.batch_size,
        num_epochs=task.num_epochs,
        beginnings="\n".join(row for variant in variants for row in _beginnings(variant, name)),
        ids=_ids(variants),
        example=f"atn_gym/{name}-DataShift-v0",
        kind=_example_kind(task),
    )


def _example_kind(task: Task) -> str:
    """A kind of DataShift that is not its first one and suits the inputs of a task."""
    kinds = DataShift.kinds_for(task.inputs)
    return "rotation" if "rotation" in kinds else kinds[1]


def _picture(name: str) -> str:
    if not animation(name).exists():
        return (
            f"`python docs/make_env_animations.py {name}` draws a run epoch by epoch; this page "
            "has no animation yet."
        )
    return (
        f"![A run of {name}, epoch by epoch](../pictures/{animation(name).name})\n\n"
        "A run of `heuristic` under DataShift, as `env.render()` draws it: losses and accuracies "
        "that the controller observes, and what it sets. The red line is the shock. "
        f"`python docs/make_env_animations.py {name}` makes it."
    )


def _summary(documented: object) -> str:
    """The first paragraph of a docstring, as a cell of a table."""
    first, _, _ = (inspect.getdoc(documented) or "").partition("\n\n")
    return " ".join(first.split()).replace("|", "\\|")


def _beginnings(name: str, base: str) -> list[str]:
    task: Task = registry.get_task(name)
    ends = (task.gain,) if isinstance(task.gain, int | float) else task.gain
    gain = " to ".join(f"{end:g}" for end in ends)
    return [
        f"| `{name}` | {values['learning_rate']:g} | {values['momentum']:g} "
        f"| {values['weight_decay']:g} | {gain} | {VARIANTS[name.removeprefix(base)]} |"
        for values in task.initial
    ]


def _ids(tasks: Sequence[str]) -> str:
    known = env_ids()
    return "\n".join(
        f"- `{env_id}`"
        for task in tasks
        for env_id in known
        if env_id.startswith(f"atn_gym/{task}-")
    )
