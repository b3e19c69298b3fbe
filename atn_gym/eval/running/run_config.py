"""The resolved config of a run: all that its results depend on, which its key is a hash of."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from atn_gym import RESULTS_VERSION
from atn_gym.agents.method import construction_errors
from atn_gym.agents.registry import controller_class, source_digest
from atn_gym.config import ControllerConfig, EnvConfig
from atn_gym.envs.data import data_digest
from atn_gym.envs.params import TuningParams
from atn_gym.errors import InvalidArgument

_REVISIONS = {"batched": 2}
"""Revisions of engines whose results have changed since `RESULTS_VERSION`."""


def run_configs(
    env: EnvConfig, controller: ControllerConfig, seeds: Sequence[int], twins: bool
) -> list[dict[str, Any]]:
    """The resolved config of the run with each seed: all that its results depend on."""
    resolved = env.params().resolved()
    params = asdict(resolved)
    altered = data_digest(resolved.get_task().dataset, params.pop("data_dir"))
    if not resolved.measures:
        # So that runs from before there was a choice keep their keys.
        del params["signals"]
    types = {field.name: str(field.type) for field in fields(TuningParams)}
    revision = _REVISIONS.get(str(resolved.engine))
    shared = {
        "results_version": RESULTS_VERSION,
        **({} if revision is None else {"engine_revision": revision}),
        "env": {
            "id": env.id,
            **{k: _as_declared(v, types[k]) for k, v in params.items()},
            # Not there for the published data, wherever that lies.
            **({} if altered is None else {"data_digest": altered}),
        },
        "controller": controller_config(controller),
        "twins": twins,
    }
    return [{**shared, "seed": seed} for seed in seeds]


def controller_config(controller: ControllerConfig) -> dict[str, Any]:
    """The resolved config of a controller, without its label, on which nothing depends.

    What its method asks of the env stands here, so that the env is the same for all controllers.
    """
    parameters = inspect.signature(controller_class(controller.name)).parameters
    types = {
        name: type(parameter.default).__name__
        if parameter.annotation is parameter.empty
        else inspect.formatannotation(parameter.annotation)
        for name, parameter in parameters.items()
    }
    with construction_errors(f"method {controller.name!r}"):
        needed = controller.method().env_arguments()
    return {
        "name": controller.name,
        **{k: _as_declared(v, types.get(k, "")) for k, v in controller.arguments.items()},
        **({"env_arguments": needed} if needed else {}),
        "source_digest": source_digest(controller.name),
        "content_digest": _content_digest(controller),
    }


def _content_digest(controller: ControllerConfig) -> str | None:
    """What the method says of the files that it names."""
    with construction_errors(f"method {controller.name!r}"):
        digest: object = controller.method().digest()
        if not isinstance(digest, (str, type(None))):
            raise InvalidArgument(
                f"digest() of method {controller.name!r} must return text or None, got {digest!r}"
            )
        return digest


def _as_declared(value: Any, declared: str) -> Any:
    """Writes whole numbers as floats where floats are declared: 2 and 2.0 make the same run."""
    if not re.search(r"\bfloat\b", declared) or re.search(r"\bint\b", declared):
        return value
    if isinstance(value, dict):
        return {name: _as_declared(item, declared) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_declared(item, declared) for item in value]
    return float(value) if type(value) is int else value
