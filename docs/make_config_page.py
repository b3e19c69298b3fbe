"""Writes docs/config.md from the models of the config files and the parameters of the envs.

python docs/make_config_page.py
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from atn_gym.config import ControllerConfig, EnvConfig, ExperimentConfig
from atn_gym.envs.params import TuningParams
from atn_gym.training.config import TrainingConfig

PAGE = Path(__file__).parent / "config.md"

_FRAME = """# Config files

A config file is YAML. `--config` takes the path of one, or the name of one that comes with the
package, such as `digits_data_shift`. Unknown keys are errors, and all errors of a file are listed
at once. This page is written by `docs/make_config_page.py`.

## An experiment: `atn-gym run`

```yaml
experiment: my_experiment
envs:
  - atn_gym/DigitsCnn-DataShift-v0
  - id: atn_gym/DigitsCnn-DataShift-v0
    kind: rotation
    severity: 0.5
controllers:
  - fixed
  - name: step
    gamma: 0.3
    label: step_30
  - my_module:Halving
seeds: 20
```

{experiment}

`atn-gym run --seeds N` makes seeds 0 to N - 1 in place of those of the file: begin with few and add
more.

### An entry of `envs`

A plain string stands for its `id`.

{env}

All other keys are arguments of the env, the same as those of `gymnasium.make`:

{params}

### An entry of `controllers`

A plain string stands for its `name`.

{controller}

All other keys are arguments of the controller: see [controllers](controllers/README.md).

## A training: `atn-gym train`

{training}
"""


def page() -> str:
    """Text of the page."""
    return _FRAME.format(
        experiment=_model_table(ExperimentConfig),
        env=_model_table(EnvConfig),
        params=_params_table(),
        controller=_model_table(ControllerConfig),
        training=_model_table(TrainingConfig),
    )


def _model_table(model: type[BaseModel]) -> str:
    return _table(model, {name: _default(field) for name, field in model.model_fields.items()})


def _params_table() -> str:
    return _table(
        TuningParams,
        {
            field.name: _written(field.default)
            for field in dataclasses.fields(TuningParams)
            if field.name not in ("task", "regime")
        },
    )


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    value = str(field.default) if isinstance(field.default, Path) else field.default
    return "`0` to `9`" if value == list(range(10)) else _written(value)


def _written(value: object) -> str:
    """A value as YAML writes it."""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _table(documented: type, defaults: Mapping[str, str]) -> str:
    meanings = _meanings(documented)
    rows = [f"| `{name}` | {default} | {meanings[name]} |" for name, default in defaults.items()]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])


def _meanings(documented: type) -> dict[str, str]:
    """The Args section of a docstring, by argument."""
    text = inspect.getdoc(documented) or ""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text, flags=re.MULTILINE)
    assert section is not None, f"{documented.__name__} documents no arguments"
    entries = re.split(r"^(\w+): ", inspect.cleandoc("\n" + section.group(1)), flags=re.MULTILINE)[
        1:
    ]
    pairs = zip(entries[::2], entries[1::2], strict=True)
    return {name: " ".join(meaning.split()) for name, meaning in pairs}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
