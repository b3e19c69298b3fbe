"""Controllers by name, or by the import string of a class or function of the user's own."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from atn_gym.agents.controller import Controller, ControllerFactory
from atn_gym.agents.method import ControllerMethod, Method, construction_errors
from atn_gym.agents.policy_method import PolicyMethod
from atn_gym.errors import FOREIGN_ERRORS, InvalidArgument, did_you_mean, one_line, unknown_name

CONTROLLERS: dict[str, type[Controller] | type[Method]] = {}
"""Every controller and method that comes with the package, by name: `built_in` fills it."""


ControllerClass = type[Controller] | type[Method] | Callable[..., Any]
"""A class of controllers or methods, or what makes a policy with `predict`."""


def controller_class(name: str) -> ControllerClass:
    """Finds a controller class, or what makes a policy.

    Args:
        name: A name in `CONTROLLERS`; or "module:Class" with a `Controller`, a `Method` or a class
            with `predict`; or "module:function" with a function that returns an object with
            `predict`; or "module:policy" with such an object.

    Raises:
        InvalidArgument: If the name is unknown, or does not import to one of these.
    """
    if ":" not in name:
        if name not in CONTROLLERS:
            raise unknown_name("controller", name, CONTROLLERS)
        return CONTROLLERS[name]
    module, _, attribute = name.partition(":")
    imported = import_module(module, f"controller {name!r}")
    if not hasattr(imported, attribute):
        raise unknown_name(f"class of module {module}", attribute, _classes(imported))
    found = getattr(imported, attribute)
    has_predict = callable(getattr(found, "predict", None))
    if isinstance(found, type):
        if issubclass(found, (Controller, Method)) or has_predict:
            return found
    elif has_predict:
        return lambda: found
    elif inspect.isfunction(found) or isinstance(found, functools.partial):
        return found
    raise InvalidArgument(
        f"controller {name!r} must be a subclass of Controller or Method, or have or make a policy "
        f"with predict, got {found}"
    )


def import_module(name: str, what: str) -> ModuleType:
    """Imports a module of the user's.

    Args:
        name: Its name.
        what: What is looked for in it, such as "controller 'module:Class'".

    Raises:
        InvalidArgument: If the module is not found, or raises anything.
    """
    try:
        return importlib.import_module(name)
    except FOREIGN_ERRORS as error:
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise InvalidArgument(
            f"{what} must be importable, but importing {name!r} fails ({kind}{one_line(error)})"
        ) from error


def _classes(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, type)]


def source_digest(name: str) -> str | None:
    """Tells versions of a user's class or policy apart: a hash of the source of its modules.

    What these modules import is not part of it.

    Args:
        name: A name in `CONTROLLERS`, whose version is that of the package: None; or
            "module:Class".
    """
    if ":" not in name:
        return None
    named = import_module(name.partition(":")[0], f"controller {name!r}")
    found = getattr(named, name.partition(":")[2])
    defining = inspect.getmodule(found if isinstance(found, type) else type(found))
    modules = [named]
    if defining is not None and not inspect.isfunction(found) and defining is not named:
        modules.append(defining)
    files = [module.__file__ for module in modules]
    sources = [name.encode() if file is None else Path(file).read_bytes() for file in files]
    return hashlib.sha256(b"".join(sources)).hexdigest()[:16]


def controller_arguments(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Fills in the defaults of a controller's arguments; tuples become lists, as in a file.

    Raises:
        InvalidArgument: If an argument is unknown or missing.
    """
    known, passes_on = _signature(controller_class(name))
    for argument in arguments:
        if argument not in known and not passes_on:
            raise InvalidArgument(
                f"controller {name!r} has no argument {argument!r}; "
                f"{did_you_mean(argument, known) if known else 'it takes none'}"
            )
    defaults = {k: p.default for k, p in known.items()}
    filled = {k: list(v) if isinstance(v, tuple) else v for k, v in (defaults | arguments).items()}
    missing = [k for k, v in filled.items() if v is inspect.Parameter.empty]
    if missing:
        raise InvalidArgument(f"controller {name!r} needs the argument {missing[0]!r}")
    return filled


def takes_argument(controller: ControllerClass, name: str) -> bool:
    """Whether a controller has an argument of that name, apart from the setting of the run."""
    known, passes_on = _signature(controller)
    return name in known or passes_on


def _signature(
    controller: ControllerClass,
) -> tuple[dict[str, inspect.Parameter], bool]:
    """Arguments apart from the setting of the run, and whether any others are passed on."""
    parameters = list(inspect.signature(controller).parameters.values())
    passes_on = any(p.kind == p.VAR_KEYWORD for p in parameters)
    if isinstance(controller, type) and issubclass(controller, Controller):
        parameters = parameters[1:]
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name: p for p in parameters if p.kind not in several}, passes_on


def controller_factory(name: str, **arguments: Any) -> ControllerFactory:
    """Prepares a controller for `ControllerPolicy`.

    Args:
        name: A name in `CONTROLLERS`, or "module:Class".
        **arguments: Its arguments apart from the setting of the run.

    Raises:
        InvalidArgument: If the name or an argument is unknown, or it is no controller but
            a method that needs the env.
    """
    found = controller_class(name)
    if not (isinstance(found, type) and issubclass(found, Controller)):
        raise InvalidArgument(
            f"{name!r} is not a controller of a single run, for it needs the env: use "
            f"controller_method({name!r}).policy(env, seeds)"
        )
    return functools.partial(found, **controller_arguments(name, arguments))


def controller_method(name: str, **arguments: Any) -> Method:
    """Prepares a controller, method or policy to control the runs of an env.

    Args:
        name: A name in `CONTROLLERS`, or what `controller_class` finds.
        **arguments: Its arguments.

    Raises:
        InvalidArgument: If the name or an argument is unknown or invalid.
    """
    found = controller_class(name)
    if not isinstance(found, type) or not issubclass(found, (Controller, Method)):
        return PolicyMethod(functools.partial(found, **controller_arguments(name, arguments)), name)
    if issubclass(found, Method):
        filled = controller_arguments(name, arguments)
        with construction_errors(f"method {name!r}"):
            return found(**filled)
    return ControllerMethod(controller_factory(name, **arguments))


def as_method(policy: Any) -> Method:
    """The method of a policy in any of its forms.

    Args:
        policy: An object with `predict`, a `Method`, a `Controller` class or another factory of
            controllers, or the name of a controller.

    Raises:
        InvalidArgument: If it is none of these.
    """
    if isinstance(policy, str):
        return controller_method(policy)
    if isinstance(policy, Method):
        return policy
    is_class = isinstance(policy, type)
    if not is_class and callable(getattr(policy, "predict", None)):
        return PolicyMethod.of(policy)
    if issubclass(policy, Controller) if is_class else callable(policy):
        return ControllerMethod(policy)
    remedy = ""
    if is_class:
        made = issubclass(policy, Method) or hasattr(policy, "predict")
        remedy = ": pass an object of it" if made else ": derive it from atn_gym.agents.Controller"
    raise InvalidArgument(
        "a policy must be an object with predict(observation, state, episode_start, "
        "deterministic), a Controller class, a Method, or the name of one, got "
        f"{policy!r}{remedy}"
    )
