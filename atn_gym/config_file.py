"""Files of experiments and trainings: where they lie, and how YAML is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from atn_gym.errors import InvalidArgument, did_you_mean, one_line


class _Loader(yaml.SafeLoader):
    """The safe loader, for which 1e-4 is a number, as in YAML 1.2, and keys do not repeat."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)

SHIPPED = Path(__file__).parent / "configs"
"""The folder of the experiment files that come with the package."""


def read_yaml(file: str | Path) -> tuple[Path, dict[str, Any]]:
    """Reads a YAML file, safely.

    Args:
        file: A YAML file, or the name of a shipped one, such as "digits_data_shift".

    Returns:
        Its path and what it holds.

    Raises:
        InvalidArgument: If the file is missing, empty, no YAML or no mapping.
    """
    shipped = SHIPPED / f"{file}.yaml"
    path = shipped if shipped.is_file() else Path(file)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError as error:
        names = sorted(p.stem for p in SHIPPED.glob("*.yaml"))
        raise InvalidArgument(
            f"config file {path} does not exist; shipped ones go by name: "
            f"{did_you_mean(path.stem, names)}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"config file {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise InvalidArgument(f"config file {path} is not valid YAML: {one_line(error)}") from error
    if values is None:
        raise InvalidArgument(f"config file {path} is empty; for an example see {SHIPPED}")
    if not isinstance(values, dict):
        raise InvalidArgument(
            f"config file {path} must hold a mapping of keys to values, got {values!r}"
        )
    return path, values
