"""Which engine trains, and when its kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numba
import pytest
import torch

from atn_gym.envs.engines import choice, choose_engine
from atn_gym.envs.engines.kernels import building
from atn_gym.envs.networks import SmallCnn
from atn_gym.envs.params import TuningParams
from atn_gym.envs.tasks import DIGITS_CNN, DIGITS_MLP
from atn_gym.errors import InvalidArgument


@pytest.mark.parametrize(
    ("fields", "obstacle"),
    [
        ({}, None),
        ({"optimizer": "adamw"}, None),
        ({"network_kwargs": {"channels": (3, 5), "hidden": 7}}, None),
        ({"optimizer": torch.optim.Adagrad}, "knows the optimizers 'sgd' and 'adamw' only"),
        ({"network": type("Own", (SmallCnn,), {})}, "trains the network SmallCnn only, got Own"),
    ],
)
def test_the_compiled_engine_is_chosen_where_it_applies(
    fields: dict[str, Any], obstacle: str | None
) -> None:
    task = replace(DIGITS_CNN, **fields)
    assert choose_engine("torch", task, "cpu") == "torch"
    assert choose_engine("auto", task, "cpu") == ("torch" if obstacle else "compiled")
    assert choose_engine("auto", task, "cuda") == "torch"
    if obstacle is None:
        assert choose_engine("compiled", task, "cpu") == "compiled"
        obstacle, device = "trains on the CPU only, got device='cuda'", "cuda"
    else:
        device = "cpu"
    with pytest.raises(InvalidArgument, match=obstacle):
        choose_engine("compiled", task, device)


@pytest.mark.parametrize(
    ("fields", "engine"),
    [
        ({}, "batched"),
        ({"optimizer": "sgd"}, "batched"),
        ({"batch_size": 37}, "torch"),
        ({"batched": False}, "torch"),
        ({"optimizer": torch.optim.Adagrad}, "torch"),
    ],
)
def test_tasks_that_ask_for_it_are_trained_in_stacks(fields: dict[str, Any], engine: str) -> None:
    task = replace(DIGITS_MLP, **fields)
    assert choose_engine("auto", task, "cpu") == engine
    assert choose_engine("auto", task, "cuda") == "torch"
    assert choose_engine("torch", task, "cpu") == "torch"


def test_without_numba_torch_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_import_failure", lambda: "needs numba, which does not import (x)")
    params = TuningParams(task="DigitsCnn", regime="DataShift")
    assert params.resolved().engine == "torch"
    with pytest.raises(InvalidArgument, match=r"needs numba.*use engine='auto'"):
        TuningParams(task="DigitsCnn", regime="DataShift", engine="compiled")


def test_resolved_parameters_name_the_engine_that_trains() -> None:
    for engine, expected in (("auto", "compiled"), ("compiled", "compiled"), ("torch", "torch")):
        params = TuningParams(task="DigitsCnn", regime="DataShift", engine=engine)
        assert params.resolved().engine == expected
    for task, expected in (("ModularAddition", "batched"), ("DigitsResidual", "torch")):
        assert TuningParams(task=task, regime="DataShift").resolved().engine == expected


def test_kernels_compile_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("read-only")

    caching: Any = __import__("numba.core.caching", fromlist=["_CacheLocator"])
    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)
    assert building.compiled(_fresh_double(), "a")(2) == 4


def test_kernels_compile_where_a_write_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    caching: Any = __import__("numba.core.caching", fromlist=["IndexDataCacheFile"])

    def refuse(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", refuse)
    double = building.compiled(_fresh_double(), "b")
    building.build(lambda: double(2))
    assert double(2) == 4


def test_variants_of_a_kernel_are_kept_in_files_of_their_own() -> None:
    paths = {
        building.compiled(_fresh_double(), variant).stats.cache_path
        + building.compiled(_fresh_double(), variant)._cache._cache_file._index_name
        for variant in ("a", "b", "a")
    }
    assert len(paths) == 2


def test_compilation_is_announced_once_and_only_when_it_happens(
    capsys: pytest.CaptureFixture[str],
) -> None:
    twice, thrice = numba.njit(_fresh_double()), numba.njit(lambda x: 3 * x)
    for count in (1, 0):
        building.build(lambda: twice(1), lambda: thrice(1))
        assert capsys.readouterr().err.count("compiling the training kernels") == count


def _fresh_double() -> Callable[[int], int]:
    def double(x: int) -> int:
        return 2 * x

    return double
