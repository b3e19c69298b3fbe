"""Files of experiments and trainings: where they lie, and how YAML is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from atn_gym.errors import InvalidArgument, did_you_mean, one_line, shown
from atn_gym.plain_values import MOST_VALUES, check_depth, check_plain

_LONGEST_FILE = 1_000_000
"""Bytes of a config."""
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """The safe loader, for which 1e-4 is a number, as in YAML 1.2, and keys do not repeat."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise ConstructorError(
                    None, None, f"the key {shown(key.value)} is given twice", key.start_mark
                )
            seen.add(str(key.value))
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merges mappings, as long as they do not multiply without end."""
        super().flatten_mapping(node)
        if len(node.value) > MOST_VALUES:
            raise ConstructorError(
                None, None, f"merged mappings hold more than {MOST_VALUES:,} keys", node.start_mark
            )


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
    try:
        shipped = SHIPPED / f"{file}.yaml"
        path = shipped if shipped.is_file() else Path(file)
        values = _parse(path.read_bytes())
    except FileNotFoundError as error:
        names = sorted(p.stem for p in SHIPPED.glob("*.yaml"))
        # Who gives a path of another file does not look for a shipped one.
        hint = did_you_mean(path.stem, names)
        shipped_ones = f"; shipped ones go by name: {hint}"
        if path.suffix and not hint.startswith("did"):
            shipped_ones = ""
        raise InvalidArgument(f"config file {path} does not exist{shipped_ones}") from error
    except OSError as error:
        raise InvalidArgument(
            f"config file {shown(str(file))} cannot be read: {error.strerror}"
        ) from error
    except yaml.YAMLError as error:
        raise InvalidArgument(f"config file {path} is not valid YAML: {one_line(error)}") from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"config file {path} cannot be read: {error}") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # What PyYAML raises for a tag whose value does not suit, and what `check_plain` refuses.
        raise InvalidArgument(
            f"config file {path} must hold plain values: {one_line(error)}"
        ) from error
    if values is None:
        raise InvalidArgument(f"config file {path} is empty; for an example see {SHIPPED}")
    if not isinstance(values, dict):
        raise InvalidArgument(
            f"config file {path} must hold a mapping of keys to values, got {shown(values)}"
        )
    return path, values


def yaml_mapping(text: str, what: str) -> dict[str, Any]:
    """Reads a mapping of the command line.

    Args:
        text: YAML, such as "{num_epochs: 10}".
        what: The option, for the error.

    Raises:
        InvalidArgument: If it is not a mapping of plain values.
    """
    try:
        values = _parse(text.encode())
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        values = None
    if isinstance(values, dict) and all(isinstance(key, str) for key in values):
        return values
    raise InvalidArgument(
        f"{what} must be a mapping of names to values, such as '{{num_epochs: 10}}', got "
        f"{shown(text)}"
    )


def _parse(content: bytes) -> Any:
    """Values of YAML, plain and few."""
    if len(content) > _LONGEST_FILE:
        raise ValueError(f"at most {_LONGEST_FILE:,} bytes of them, got {len(content):,}")
    text = content.decode()
    check_depth(text)
    values = yaml.load(text, Loader=_Loader)
    check_plain(values)
    return values
