"""A submission: a method by module:Class, and what it must not do to be scored."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from atn_gym.agents.method import Method
from atn_gym.agents.registry import controller_class
from atn_gym.config import ControllerConfig, EnvConfig, ExperimentName, run_setting, validate_config
from atn_gym.errors import InvalidArgument
from atn_gym.eval.report.index import REFERENCES
from atn_gym.leaderboard.protocol import ENVS

_HIDDEN = frozenset({"privileged", "unwrapped", "episodes", "get_state", "set_state"})
_REACHING = frozenset({"gc", "inspect", "ctypes", "_getframe", "currentframe", "exec", "eval"})
_ROOMS = ("atn_gym.envs.", "atn_gym.eval", "atn_gym.leaderboard")


class Submission(BaseModel):
    """An entry of the leaderboard, as its authors describe it.

    Args:
        name: What the table calls it: letters, digits, dots, underscores and dashes.
        method: "module:Class" of a `Controller` or of a class with `predict`, with the module
            beside this file; or the name of a controller that comes with the package.
        arguments: Its arguments.
        authors: Who made it.
        about: One sentence on how it works, perhaps with a link.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ExperimentName
    method: Annotated[str, Field(max_length=200)]
    arguments: dict[str, Any] = {}
    authors: Annotated[str, Field(min_length=1, max_length=200)]
    about: Annotated[str, Field(min_length=1, max_length=300)]

    @property
    def controller(self) -> ControllerConfig:
        """The controller of an experiment."""
        label = None if self.name == self.method else self.name
        return ControllerConfig(**{**self.arguments, "name": self.method, "label": label})


def read_submission(file: Path) -> Submission:
    """Reads a submission and checks that it may be scored.

    Raises:
        InvalidArgument: If the file is wrong, or the method cannot be made, needs the env, or
            reaches for what is hidden.
    """
    if str(file.parent.absolute()) not in sys.path:
        sys.path.append(str(file.parent.absolute()))
    return validate_config(Submission, file, _check, None)


def _check(submission: Submission) -> None:
    module, _, _ = submission.method.partition(":")
    if submission.method in REFERENCES:
        raise InvalidArgument(
            f"a submission must be a method that only observes, got the reference "
            f"{submission.method!r}, which looks ahead or replays other runs"
        )
    if ":" in submission.method:
        # Read before it is imported.
        for problem in _reaches(module):
            raise InvalidArgument(problem)
        found = controller_class(submission.method)
        if isinstance(found, type) and issubclass(found, Method):
            raise InvalidArgument(
                f"a submission must be a Controller or a class with predict, which only observe, "
                f"got the Method {submission.method!r}, which holds the env"
            )
    method = submission.controller.method()
    for env in ENVS:
        method.check(run_setting(EnvConfig(id=env).made_for(method)))


def _reaches(module: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Sentences on what the source of a module, or of those beside it, reaches for."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        # What cannot be imported is named by `controller_class`.
        return
    path = Path(spec.origin)
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        for name in _names(node):
            if name in _HIDDEN | _REACHING or name.startswith(_ROOMS):
                line = getattr(node, "lineno", 1)
                yield (
                    f"a submission must only observe, but {path.name}, line {line}, uses {name!r}, "
                    "by which it could reach what is hidden from a controller: leave it out"
                )
            beside = name.partition(".")[0]
            imports = isinstance(node, (ast.Import, ast.ImportFrom))
            if imports and (path.parent / f"{beside}.py").is_file() and beside not in seen:
                yield from _reaches(beside, seen | {module, beside})


def _names(node: ast.AST) -> Iterator[str]:
    """Names of modules, variables, attributes and keys that a node uses."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}", *(alias.name for alias in node.names))
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
