"""Gives jobs out, as many at once as there is room for, and stores what they return.

A run is claimed when its job is given out, and no longer than until it is stored, so that several
commands on one folder share the work. What a kill loses is the jobs that are out.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace

from atn_gym.eval.running.executors import WorkerDied
from atn_gym.eval.running.jobs import Job, JobResult, run_job
from atn_gym.eval.running.origin import this_process
from atn_gym.eval.running.rollout import OnEpoch
from atn_gym.eval.storage.claims import Claims
from atn_gym.eval.storage.store import ResultStore

_POLL_SECONDS = 2.0
_COUNT_SECONDS = 1.0
_MOST_TRIES = 4
"""Times that a job is given out if the worker that has it dies."""


@dataclass(frozen=True)
class Dispatched:
    """What became of a job that was given out.

    Args:
        job: The job.
        failures: Why a run failed, by key; its other runs are stored.
    """

    job: Job
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class _Out:
    """A job that is out."""

    job: Job
    claims: Claims
    ended: contextlib.ExitStack
    tries: int = 1


def dispatch(
    jobs: Sequence[Job],
    store: ResultStore,
    executor: Executor | None,
    slots: Callable[[], int],
    on_epoch: OnEpoch,
) -> Iterator[Dispatched]:
    """Makes and stores the runs of jobs that no other process makes or has stored meanwhile.

    Runs that another process has claimed are waited for: it completes them, or it ends, and they
    fall to this one.

    Args:
        jobs: The jobs.
        store: Where their parts go.
        executor: Runs them; None runs them here, one after the other.
        slots: Says how many jobs the executor takes at once.
        on_epoch: Called with the number of epochs trained since the last call, here or by workers
            that count them.

    Yields:
        Parts of the jobs, each run in one of them.

    Raises:
        WorkerLost: If workers died too often or are gone. What is complete is kept.
        WorkerRefused: If a worker would make other runs.
    """
    pending, elsewhere = deque(jobs), list[Job]()
    trained = getattr(executor, "epochs_trained", 0)
    out: dict[Future[JobResult], _Out] = {}
    with contextlib.ExitStack() as all_claims:
        while pending or elsewhere or out:
            while pending and len(out) < max(slots(), 1):
                job = pending.popleft()
                claimed = all_claims.enter_context(contextlib.ExitStack())
                claims = claimed.enter_context(store.claims(job.keys))
                others = [key for key in job.keys if key not in claims.mine]
                complete = [key for key in job.keys if key in claims.mine and store.has(key)]
                missing = [key for key in claims.mine if not store.has(key)]
                if others:
                    elsewhere.append(job.part(others))
                if complete:
                    yield Dispatched(job.part(complete))
                if not missing:
                    claimed.close()
                    continue
                missing.sort(key=job.keys.index)
                is_suspect = not claims.suspects.isdisjoint(missing)
                begun = replace(job.part(missing), is_suspect=is_suspect)
                out[_submit(begun, executor, on_epoch)] = _Out(begun, claims, claimed)
            if not out:
                time.sleep(_POLL_SECONDS if elsewhere and not pending else 0)
                pending.extend(elsewhere)
                elsewhere.clear()
                continue
            ended = wait(out, _COUNT_SECONDS, return_when=FIRST_COMPLETED).done
            trained, before = getattr(executor, "epochs_trained", 0), trained
            if trained > before:
                on_epoch(trained - before)
            for future in ended:
                one = out.pop(future)
                try:
                    result = future.result()
                except WorkerDied:
                    if one.tries >= _MOST_TRIES:
                        raise
                    # One of its runs may have ended the worker, and must not end the next one.
                    one = replace(one, job=replace(one.job, is_suspect=True), tries=one.tries + 1)
                    out[_submit(one.job, executor, on_epoch)] = one
                    continue
                store.write_part(result.part, one.job.keys[0], result.summaries)
                one.claims.kept.update(result.deadly)
                one.ended.close()
                yield Dispatched(one.job, result.failures)


def _submit(job: Job, executor: Executor | None, on_epoch: OnEpoch) -> Future[JobResult]:
    if executor is not None:
        return executor.submit(run_job, replace(job, origin=this_process()))
    future: Future[JobResult] = Future()
    future.set_result(run_job(job, on_epoch))
    return future
