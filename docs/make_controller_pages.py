"""Writes docs/controllers/ from the docstrings and signatures of the controllers.

python docs/make_controller_pages.py
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

from atn_gym.agents import CONTROLLERS
from atn_gym.agents.registry import controller_arguments

FOLDER = Path(__file__).parent / "controllers"
_SECTIONS = ("Args", "Raises", "Attributes", "Example", "Source")
_REQUIRED = {
    "scheduler": {"scheduler": "ExponentialLR", "gamma": 0.9},
    "rl": {"path": "ppo.zip"},
}
"""Arguments without a default, as an example needs them."""

_FRAME = """# `{name}`

{description}

**When it fails:** {failure}

## Arguments

{arguments}

{use}
## Source

{source}

`{module}`, class `{cls}`. This page is written by `docs/make_controller_pages.py`.
"""

_CONTROLLER_USE = """## Use

In a config:

```yaml
controllers:
{yaml}
```

In Python, as a policy of a single or vector env, or in a loop of your own:

```python
from atn_gym.agents import ControllerPolicy, RunSetting, controller_factory

make_controller = controller_factory({call})
policy = ControllerPolicy.for_env(make_controller, env)
action, state = policy.predict(observation, state=None)

controller = make_controller(RunSetting(env.unwrapped.episodes.hyperparameters, num_epochs=30))
params = controller.propose(params)
controller.observe(val_loss, step=1)
```
"""

_METHOD_USE = """## Use

In a config:

```yaml
controllers:
{yaml}
```

In Python, as a policy of a single or vector env (it is no `Controller`, for it needs more than
one sees):

```python
from atn_gym.agents import controller_method

policy = controller_method({call}).policy(env, seeds=[0])
{search}action, state = policy.predict(observation, state=None)
```
"""

_SEARCH = """(found,) = policy.search()
observation, info = env.reset(seed=0, options={"hyperparameters": found})
"""


def pages() -> dict[str, str]:
    """Text of every page by file name."""
    made = {f"{name}.md": _page(name) for name in CONTROLLERS}
    rows = [f"| [`{name}`]({name}.md) | {_sections(name)['summary']} |" for name in CONTROLLERS]
    index = ["# Controllers", "", "| name | what it does |", "|---|---|", *rows, ""]
    return {"README.md": "\n".join(index), **made}


def _page(name: str) -> str:
    found = CONTROLLERS[name]
    sections = _sections(name)
    required = _REQUIRED.get(name, {})
    lines = [f"  - name: {name}", *(f"    {k}: {v}" for k, v in required.items())]
    call = ", ".join([f'"{name}"', *(f"{k}={json.dumps(v)}" for k, v in required.items())])
    is_method = "Method" in [base.__name__ for base in found.__mro__]
    use = _METHOD_USE if is_method else _CONTROLLER_USE
    search = _SEARCH if hasattr(found, "num_trials") else ""
    return _FRAME.format(
        name=name,
        description=sections["description"],
        failure=sections["failure"],
        arguments=_arguments(name),
        use=use.format(yaml="\n".join(lines), call=call, search=search),
        source=sections.get("Source", "Of this project."),
        module=found.__module__.replace(".", "/") + ".py",
        cls=found.__name__,
    )


def _sections(name: str) -> dict[str, str]:
    """The docstring of a controller, by section."""
    text = inspect.getdoc(CONTROLLERS[name]) or ""
    head, *rest = re.split(rf"^({'|'.join(_SECTIONS)}):\n", text, flags=re.MULTILINE)
    description, _, failure = head.partition("When it fails: ")
    indented = dict(zip(rest[::2], rest[1::2], strict=True))
    sections = {title: inspect.cleandoc(body) for title, body in indented.items()}
    return {
        **sections,
        "summary": head.splitlines()[0],
        "description": description.strip(),
        "failure": " ".join(failure.split()),
    }


def _arguments(name: str) -> str:
    required = _REQUIRED.get(name, {})
    meanings = _meanings(name)
    rows = [
        f"| `{argument}` | {'required' if argument in required else f'`{default}`'} "
        f"| {meanings[argument]} |"
        for argument, default in controller_arguments(name, required).items()
        if argument in meanings
    ]
    rows += [f"| `{a}` | | {meaning} |" for a, meaning in meanings.items() if a.startswith("**")]
    if not rows:
        return "None."
    return "\n".join(["| argument | default | meaning |", "|---|---|---|", *rows])


def _meanings(name: str) -> dict[str, str]:
    """What each argument means, by the docstring of the class and of those it derives from."""
    bases = {cls.__name__ for cls in CONTROLLERS[name].__mro__}
    related = [n for n, cls in CONTROLLERS.items() if cls.__name__ in bases and n != name]
    meanings: dict[str, str] = {}
    for source in [*related, name]:
        text = _sections(source).get("Args", "").partition("\n\n")[0]
        entries = re.split(r"^(\*{0,2}\w+): ", text, flags=re.MULTILINE)[1:]
        found = zip(entries[::2], entries[1::2], strict=True)
        own = {argument: " ".join(meaning.split()) for argument, meaning in found}
        meanings |= own if source == name else {k: v for k, v in own.items() if k[0] != "*"}
    return meanings


def main() -> None:
    """Writes all pages."""
    FOLDER.mkdir(exist_ok=True)
    for file, text in pages().items():
        (FOLDER / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
