"""What the envs and controllers of an experiment are called."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atn_gym.errors import InvalidArgument, unknown_name
from atn_gym.eval.storage.keys import run_key

_SHOWN_VALUE = 80


@dataclass(frozen=True)
class Variant:
    """An env or a controller of an experiment.

    Args:
        label: What tables call it, unlike any other of the experiment.
        name: Full env id, or name of the controller.
        arguments: Everything else that its config says.
    """

    label: str
    name: str
    arguments: dict[str, Any]


def labels_of(what: str, name: str, variants: Iterable[Variant]) -> list[str]:
    """Labels of the envs or controllers that a user names.

    Args:
        what: "env" or "controller".
        name: A label, or else a label without what differs, an env id or the name of a
            controller, which may stand for several.
        variants: All there are.

    Raises:
        InvalidArgument: If there is none.
    """
    names = {v.label: (v.name, v.label.split(" (")[0]) for v in variants}
    found = [name] if name in names else [label for label in names if name in names[label]]
    if not found:
        raise unknown_name(what, name, sorted(names))
    return found


def label_of(what: str, name: str, variants: Iterable[Variant]) -> str:
    """As `labels_of`, of a name that must stand for one only.

    Raises:
        InvalidArgument: If it stands for none or for several.
    """
    found = labels_of(what, name, variants)
    if len(found) > 1:
        raise InvalidArgument(
            f"{name!r} must name one {what}, but it names {', '.join(sorted(found))}: use one of "
            "these labels"
        )
    return found[0]


def name_variants(
    configs: Sequence[Mapping[str, Any]], key: str, labels: Mapping[str, str]
) -> dict[str, Variant]:
    """Labels all different configs: by name, and by what differs where a name is shared.

    Args:
        configs: Configs of envs or of controllers.
        key: Field that holds the name: "id" or "name".
        labels: Names in place of that field, by the `run_key` of a config.

    Returns:
        The variant of each config, by its `run_key`. Configs that differ only in how a
        number is written, as 2 and 2.0, are of one.
    """
    plain = {run_key(config): run_key(_plain(config)) for config in configs}
    variants = _different(
        {plain[run_key(config)]: config for config in reversed(configs)},
        key,
        {plain[of]: label for of, label in labels.items() if of in plain},
    )
    return {of: variants[same] for of, same in plain.items()}


def _different(
    different: Mapping[str, Mapping[str, Any]], key: str, labels: Mapping[str, str]
) -> dict[str, Variant]:
    names = sorted({config[key] for config in different.values()})
    short = {name: _short(name) if key == "id" else name for name in names}
    if len(set(short.values())) < len(short):
        short = {name: name for name in names}
    shown = {c: labels.get(c, short[config[key]]) for c, config in different.items()}
    variants = {}
    for name in sorted(set(shown.values())):
        group = {c: config for c, config in different.items() if shown[c] == name}
        fields = sorted({field for config in group.values() for field in config})
        differing = [
            field
            for field in fields
            if len({_canonical(config.get(field)) for config in group.values()}) > 1
        ]
        for c, config in group.items():
            differences = ", ".join(f"{field}={_full(config.get(field))}" for field in differing)
            label = f"{name} ({differences})" if differences else name
            arguments = {field: value for field, value in config.items() if field != key}
            variants[c] = Variant(label, config[key], arguments)
    if len({variant.label for variant in variants.values()}) < len(variants):
        # A label reads like the name of another variant.
        return _different(different, key, {})
    return variants


def _canonical(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    """Writes every whole number as an integer."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def show(value: Any) -> str:
    """Writes an argument as short text on one line."""
    text = value if isinstance(value, str) else json.dumps(value)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 1] + "…"


def _full(value: Any) -> str:
    """Writes a value so that no other is written the same, and a plain word as it is."""
    text = json.dumps(value)
    word = value if isinstance(value, str) else ""
    return word if word.isidentifier() and word not in ("null", "true", "false") else text


def _short(env_id: str) -> str:
    """An env id without namespace, version and the module that registers it."""
    name = env_id.rpartition(":")[2].rpartition("/")[2]
    stem, separator, version = name.rpartition("-v")
    return stem if separator and version.isdigit() else name
