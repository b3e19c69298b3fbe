"""Writes docs/controllers/ from the docstrings and signatures of the controllers.

python docs/make_controller_pages.py
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

from atn_gym.agents import CONTROLLERS, controller_method
from atn_gym.agents.registry import controller_arguments

FOLDER = Path(__file__).parent / "controllers"
_SECTIONS = ("Args", "Raises", "Attributes", "Example", "Source")
_REQUIRED = {
    "scheduler": {"scheduler": "ExponentialLR", "gamma": 0.9},
    "with_optimizer": {"method": "hypergradient"},
    "guarded": {"method": "heuristic"},
    "agent": {"path": "ppo_digits"},
    "rl": {"path": "ppo.zip"},
    "yoked": {"method": "heuristic"},
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

In Python, as a policy of a single or vector env (it is not a `Controller`, which observes too
little for it):

```python
from atn_gym.agents import controller_method

policy = controller_method({call}).policy(env, seeds=[0])
{search}action, state = policy.predict(observation, state=None)
```
"""

_SEARCH = """(found,) = policy.search()
observation, info = env.reset(seed=0, options={"hyperparameters": found})
"""

_NEEDED = """Configs and `evaluate` make the env with {needed}.
To an env that you make yourself, pass the same.

"""

_OWN = """
## How the defaults were chosen

One tuner chose them, with one budget for each argument and on training seeds only:
[how the defaults were chosen](../tuning.md) shows it, and how much each method depends on its own
arguments. `python benchmarks/variants.py` compares settings of your own, on seeds from 10000 on;
seeds 0 to 999 are for reported results.

## One of your own

A controller decides for one run. It sees the observed validation loss after every epoch, and the
values in force before the next; `setting` holds what it knows of the run beforehand. In
`my_module.py`:

```python
from atn_gym.agents import Controller


class Halving(Controller):
    def __init__(self, setting, factor=0.5):
        super().__init__(setting)
        self.factor, self.last, self.worse = factor, float("inf"), False

    def observe(self, metric, step):
        self.worse, self.last = metric > self.last, metric

    def propose(self, current_params):
        rate = current_params["learning_rate"] * (self.factor if self.worse else 1.0)
        return {**current_params, "learning_rate": max(rate, 1e-5)}
```

In a config it goes by `module:Class`, beside its arguments; the module lies in the folder where the
command is given. A change of that module makes other runs, so that results do not mix; a change of
what the module imports does not, so give the experiment another name then:

```yaml
controllers:
  - name: my_module:Halving
    factor: 0.7
```

In Python the class itself will do, or its name:

```python
import atn_gym

evaluation = atn_gym.evaluate(Halving, "atn_gym/DigitsCnn-DataShift-v0", seeds=2, num_epochs=4)
print(evaluation.mean("anytime_performance"))
```

`rollbacks` and `optimizer_evaluations` are counters that it may raise; they are reported. With the
class attribute `signals = "gradient"` it takes `observe_signals(signals)` too, a `GradientSignals`
after every epoch, as [`dog`](dog.md) does: the env is then made with them.

What searches before the run, or needs more than a controller sees, is a `Method`. It is made from
its arguments and makes one policy for all runs of an env, which is anything with the `predict` of
Stable-Baselines3. If that has `search`, it is called before the runs and returns the initial values
of each; `accounts` says what was spent, and all of it is charged:

```python
import numpy as np

from atn_gym.agents import Method, RunAccount


class Guess(Method):
    def __init__(self, learning_rate=0.02):
        self.learning_rate = learning_rate

    def policy(self, env, seeds):
        return GuessedRuns(self.learning_rate, env, seeds)


class GuessedRuns:
    def __init__(self, learning_rate, env, seeds):
        self.found = {"learning_rate": learning_rate, "momentum": 0.9, "weight_decay": 1e-4}
        self.shape, self.seeds = env.action_space.shape, seeds

    def search(self):
        return [self.found for _ in self.seeds]

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.zeros(self.shape, np.float32), state

    def accounts(self, state):
        return [RunAccount(restarts=0, gradient_steps=0, flops=0) for _ in self.seeds]
```

A search that trains counts its restarts, gradient steps and flops there, see
[`offline_bayesian`](offline_bayesian.md). In a config and in `evaluate` a method goes by the same
names as a controller.
"""


def pages() -> dict[str, str]:
    """Text of every page by file name."""
    made = {f"{name}.md": _page(name) for name in CONTROLLERS}
    rows = [f"| [`{name}`]({name}.md) | {_sections(name)['summary']} |" for name in CONTROLLERS]
    index = ["# Controllers", "", "| name | what it does |", "|---|---|", *rows, ""]
    return {"README.md": "\n".join(index) + _OWN, **made}


def _page(name: str) -> str:
    found = CONTROLLERS[name]
    sections = _sections(name)
    required = _REQUIRED.get(name, {})
    lines = [f"  - name: {name}", *(f"    {k}: {v}" for k, v in required.items())]
    call = ", ".join([f'"{name}"', *(f"{k}={json.dumps(v)}" for k, v in required.items())])
    is_method = "Method" in [base.__name__ for base in found.__mro__]
    use = _METHOD_USE if is_method else _CONTROLLER_USE
    needed = " and ".join(f'`{k}="{v}"`' for k, v in _env_arguments(name).items())
    if needed:
        use = use.replace("In Python,", _NEEDED.format(needed=needed) + "In Python,")
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


def _env_arguments(name: str) -> dict[str, str]:
    """What the env of the example must be made with."""
    if name == "rl":  # The model file is the reader's.
        return {}
    return controller_method(name, **_REQUIRED.get(name, {})).env_arguments()


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
