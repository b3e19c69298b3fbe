"""Threads that share one run give the results of one thread, and wait for none that is late."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
import torch
from engine_twins import Shape, Twins
from numba import njit

from atn_gym.envs.engines import EvaluationPlan, compiled_engine, team
from atn_gym.envs.engines.kernels import teamwork
from atn_gym.envs.engines.kernels.teamwork import make_progress, next_part, part_done

CASES: list[tuple[Shape, tuple[int, int], int, int, int]] = [
    ((1, 8, 8), (8, 16), 32, 10, 70),
    ((1, 28, 28), (8, 16), 64, 10, 37),
    ((3, 13, 9), (12, 7), 17, 17, 9),
]


@pytest.fixture(autouse=True)
def small_work_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_engine, "_SMALL_FLOPS", 0)
    monkeypatch.setattr(compiled_engine, "_SAMPLES_PER_THREAD", 1)


def outcome(threads: int, monkeypatch: pytest.MonkeyPatch, optimizer: str, case: Any) -> Any:
    shape, channels, hidden, classes, batch = case
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    twins = Twins(shape, channels, hidden, classes, optimizer, measures=True)
    scale = torch.tensor([0.5, 2.0, 1.0])
    rows = []
    for seed in range(2):
        plan = twins.plan(3, batch, seed, loss_scale=scale, gradient_noise=0.3)
        trained = twins.compiled.train([0], [plan])
        evaluated = twins.compiled.evaluate([0], [EvaluationPlan(twins.inputs, twins.labels)])
        rows += [*vars(trained).values(), *evaluated]
    state = twins.compiled.get_state(0)
    weights = [p.flatten() for p in state["model"].values()]
    kept = [v.flatten() for s in state["optimizer"]["state"].values() for v in s.values()]
    return np.concatenate(rows, axis=None).tobytes(), torch.cat([*weights, *kept]).numpy().tobytes()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("case", CASES)
def test_results_do_not_depend_on_the_number_of_threads(
    case: Any, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = outcome(1, monkeypatch, optimizer, case)
    for threads in (2, 3):
        assert outcome(threads, monkeypatch, optimizer, case) == alone


def test_fewer_runs_than_threads_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert [team.threads_each(runs) for runs in (1, 2, 3, 7)] == [5, 2, 1, 1]


def test_each_part_is_done_once_and_after_the_phases_before() -> None:
    progress, phases, parts = make_progress(), 200, 3
    done: list[tuple[int, int]] = []
    # With the global lock, a thread that waits would keep the other from saying that it is done.
    next_without_lock = njit(nogil=True)(lambda p, leads: next_part(p, phases, parts, leads))

    def work(leads: bool) -> None:
        while True:
            phase, part = next_without_lock(progress, leads)
            if phase >= phases:
                return
            done.append((phase, part))
            part_done(progress)

    team.as_team(work, 2)
    assert [phase for phase, _ in done] == sorted(phase for phase, _ in done)
    assert sorted(done) == [(i, k) for i in range(phases) for k in range(parts)]


def test_the_leader_goes_on_alone_once_it_has_waited_long() -> None:
    progress = make_progress()
    progress[teamwork._WAITS] = teamwork._MOST_WAITS
    assert next_part(progress, 4, 2, False) == (4, 0)
    assert next_part(progress, 4, 2, True) == (0, 0)


def test_a_long_wait_of_the_leader_is_counted() -> None:
    # Compiled without the global lock, or the other thread could not finish while this one waits.
    next_without_lock = njit(nogil=True)(lambda p: next_part(p, 2, 2, True))
    progress = make_progress()
    assert [next_without_lock(progress) for _ in range(2)] == [(0, 0), (0, 1)]
    part_done(progress)

    def finish() -> None:
        time.sleep(0.2)
        part_done(progress)

    late = threading.Thread(target=finish)
    late.start()
    assert next_without_lock(progress) == (1, 0)
    late.join()
    assert progress[teamwork._WAITS] == 1


def test_an_error_in_a_thread_of_a_team_is_raised() -> None:
    def work(leads: bool) -> None:
        if not leads:
            raise MemoryError

    with pytest.raises(MemoryError):
        team.as_team(work, 2)
