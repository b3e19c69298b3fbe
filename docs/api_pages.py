"""The reference of the public names, made from `__all__` when the site is built."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from atn_gym.agents import CONTROLLERS
from atn_gym.envs.regimes import Regime

FOLDER = Path(__file__).parent / "api"
MODULES = {
    "atn_gym": "What most programs need.",
    "atn_gym.agents": "Controllers, policies and methods.",
    "atn_gym.envs.tasks": "Tasks.",
    "atn_gym.envs.data": "Data sets.",
    "atn_gym.envs.regimes": "Regimes.",
    "atn_gym.envs.vector_env": "Many runs at once.",
    "atn_gym.envs.wrappers": "Observations as vectors.",
    "atn_gym.training": "Vector envs for Stable-Baselines3.",
    "atn_gym.eval.metrics.run_metrics": "Metrics of a run.",
    "atn_gym.eval.metrics.adaptation": "Metrics of adaptation.",
    "atn_gym.eval.metrics.aggregate": "Statistics over seeds and strata.",
    "atn_gym.errors": "Errors.",
}
_INDEX = """# API reference

Public names, by module. [Envs](../envs/index.md) documents `TuningEnv`, and
[Controllers](../controllers/README.md) has a page on each controller, and [Regimes](../regimes.md)
describes each regime.

{rows}

```{{toctree}}
:hidden:

{tree}
```
"""


def write_api_pages() -> None:
    """Writes docs/api/, which git ignores, without the pages of modules that it no longer has."""
    FOLDER.mkdir(exist_ok=True)
    for page in set(FOLDER.glob("*.md")) - {FOLDER / f"{name}.md" for name in MODULES}:
        page.unlink()
    rows = "\n".join(f"- [`{name}`]({name}.md): {what}" for name, what in MODULES.items())
    index = _INDEX.format(rows=rows, tree="\n".join(MODULES))
    (FOLDER / "index.md").write_text(index, encoding="utf-8")
    for name, what in MODULES.items():
        parts = [f"# `{name}`", what, "```{eval-rst}", *_directives(name), "```", ""]
        (FOLDER / f"{name}.md").write_text("\n\n".join(parts), encoding="utf-8")


def _directives(name: str) -> list[str]:
    module = importlib.import_module(name)
    defined = [
        public
        for public, value in vars(module).items()
        if not public.startswith("_") and getattr(value, "__module__", None) == name
    ]
    directives = []
    for public in getattr(module, "__all__", defined):
        value = getattr(module, public)
        if inspect.isfunction(value):
            directives.append(f".. autofunction:: {name}.{public}")
        elif inspect.isclass(value) and not _has_a_page(value):
            directives.append(f".. autoclass:: {name}.{public}\n   :members:")
    return directives


def _has_a_page(found: type) -> bool:
    """Whether another page is made from the docstring of a class."""
    return found in CONTROLLERS.values() or (issubclass(found, Regime) and found is not Regime)


def escape_bars(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Keeps bars of docstrings, such as those of |x|, from being read as substitutions."""
    lines[:] = [line.replace("|", "\\|") for line in lines]
