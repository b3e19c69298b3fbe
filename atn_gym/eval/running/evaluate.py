"""Evaluates a policy on an env, in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import fields
from inspect import signature
from typing import Any, Unpack

from atn_gym.agents.controller import Controller, ControllerFactory
from atn_gym.agents.method import ControllerMethod, Method
from atn_gym.agents.policy import Policy
from atn_gym.agents.registry import as_method, controller_class, takes_argument
from atn_gym.config import EnvConfig, parse_seeds, run_setting
from atn_gym.envs.arguments import EnvArguments, plain
from atn_gym.envs.params import TuningParams
from atn_gym.errors import InvalidArgument, UnexpectedArgument, did_you_mean
from atn_gym.eval.running.batch import MOST_TOGETHER, evaluate_seeds
from atn_gym.eval.running.evaluation import Evaluation
from atn_gym.eval.running.failures import PolicyError


def evaluate(
    policy: Policy | Method | ControllerFactory | str,
    env_id: str,
    seeds: int | Sequence[int] = 10,
    executor: Executor | None = None,
    twins: bool = True,
    **kwargs: Unpack[EnvArguments],
) -> Evaluation:
    """Runs a policy once on each seed of an env, and computes its metrics.

    Args:
        policy: Anything with Stable-Baselines3's `predict` on batches of observations, a
            `Controller` class or another callable that makes one from the setting of a run, such
            as a `functools.partial` of it, a `Method`, or the name of either ("autotunenet",
            "my_module:Mine").
        env_id: Id of the env, or "module:id".
        seeds: Seeds, or a number n of them, which stands for 0 to n - 1.
        executor: Any `concurrent.futures` executor, which gets the seeds one by one; policy and
            results are pickled on the way. None runs them here, together.
        twins: Whether to run the twin of each run too, which `shock_cost` needs.
        **kwargs: Further arguments of the env.

    Returns:
        Runs with trace and metrics.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
        PolicyError: If the policy raises or breaks a rule of the benchmark, and no run is left.
            Errors of a controller only stand in the failures of the result.

    Example:
        >>> import atn_gym
        >>> evaluation = atn_gym.evaluate(
        ...     "cosine", "atn_gym/DigitsCnn-DataShift-v0", seeds=2, num_epochs=2
        ... )
        >>> len(evaluation.summaries)
        2
    """
    _refuse_arguments_of_others(policy, kwargs)
    method = as_method(policy)
    env = EnvConfig(id=env_id, **plain(kwargs))
    method.check(run_setting(env.made_for(method)))
    chosen = parse_seeds(seeds)
    if executor is None:
        batches = [chosen[i : i + MOST_TOGETHER] for i in range(0, len(chosen), MOST_TOGETHER)]
        runs = [evaluate_seeds(method, env, batch, twins) for batch in batches]
    else:
        workers = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
        futures = [
            executor.submit(evaluate_seeds, method, env, [seed], twins, workers) for seed in chosen
        ]
        runs = [future.result() for future in futures]
    evaluation = Evaluation(
        env_id, plain(kwargs), name_of(policy), [run for batch in runs for run in batch]
    )
    if not evaluation.summaries and not isinstance(method, ControllerMethod):
        raise PolicyError(next(iter(evaluation.failures.values())))
    return evaluation


def name_of(policy: Any) -> str:
    """What a policy is called: its name, or that of its class or function."""
    if isinstance(policy, str):
        return policy
    made_by = getattr(policy, "func", policy)
    return str(getattr(made_by, "__name__", type(made_by).__name__))


def _refuse_arguments_of_others(policy: Any, kwargs: Mapping[str, object]) -> None:
    """Names the keywords that belong to the controller, and those that nothing takes."""
    of_env = [field.name for field in fields(TuningParams)]
    controller: Any = None
    call = ""
    if isinstance(policy, str):
        controller = controller_class(policy)
        call = f"controller_method({policy!r}"
    elif isinstance(policy, type) and issubclass(policy, Controller):
        controller, call = policy, f"functools.partial({policy.__name__}"
    foreign = [name for name in kwargs if name not in of_env]
    own = [name for name in foreign if controller and takes_argument(controller, name)]
    if own:
        given = ", ".join(f"{name}={kwargs[name]!r}" for name in own)
        raise InvalidArgument(
            f"further arguments must be those of the env, but {own[0]!r} is one of the "
            f"controller: evaluate {call}, {given}) in its place"
        )
    if foreign:
        known = [*list(signature(evaluate).parameters)[:-1], *of_env]
        raise UnexpectedArgument(
            f"evaluate got an unexpected keyword argument {foreign[0]!r}; "
            f"{did_you_mean(foreign[0], known)}"
        )
