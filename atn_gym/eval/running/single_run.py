"""The rule that a run is trained once, and that all else that a policy trains is charged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.agents.policy import RunAccount
from atn_gym.envs.metering import Trained, trained_in_all
from atn_gym.eval.running.failures import PolicyError


class Meter:
    """Tells what a method trains beside the runs that are scored, from now on.

    It counts all that this process trains on envs of the package, in whatever thread, on whatever
    env and by whoever made it.
    """

    def __init__(self) -> None:
        self._begun = trained_in_all()
        self._scored = Trained()

    @contextlib.contextmanager
    def scored(self) -> Iterator[None]:
        """What is trained within belongs to the scored runs."""
        before = trained_in_all()
        yield
        self._scored += trained_in_all() - before

    def check_accounts(self, accounts: Sequence[RunAccount], policy: str) -> None:
        """Checks that all that was trained beside the scored runs is charged to them.

        Accounts may hold more, for what is trained without envs of the package.

        Args:
            accounts: The account of each scored run.
            policy: What errors call the policy.

        Raises:
            PolicyError: If they hold less than was trained.
        """
        beside = trained_in_all() - self._begun - self._scored
        trained = {
            "gradient steps": (beside.gradient_steps, [a.gradient_steps for a in accounts]),
            "flops": (beside.flops, [a.flops for a in accounts]),
            "runs": (
                trained_in_all().runs - self._begun.runs - len(accounts),
                [a.restarts for a in accounts],
            ),
        }
        for what, (metered, charged) in trained.items():
            if metered > sum(charged):
                raise PolicyError(
                    f"policy {policy} trained {metered} {what} beside the scored runs, but "
                    f"accounts for {sum(charged)}: charge what it spends in its accounts, and "
                    "train nothing else in this process meanwhile"
                )


class SingleRuns:
    """Watches over runs that have just begun.

    Args:
        episodes: The episodes of the env, one a run.
        policy: What errors call the policy.
    """

    def __init__(self, episodes: Any, policy: str) -> None:
        self._episodes = episodes
        self._policy = policy
        self._begun = list(episodes.episodes_begun)
        self._seeds = [episodes.state(run).seed for run in range(len(self._begun))]
        self._trained = list(episodes.epochs_trained)

    def check_untouched(self, running: NDArray[np.bool_], epoch: int) -> None:
        """Checks that every running run stands where it stood before the policy was asked.

        Args:
            running: Which runs are running, (n,).
            epoch: Epochs that each of them has trained.

        Raises:
            PolicyError: If one does not.
        """
        for i in np.flatnonzero(running).tolist():
            found = self._episodes.episodes_begun[i], self._episodes.state(i).epoch
            if found != (self._begun[i], epoch):
                raise PolicyError(
                    f"policy {self._policy} reset or advanced the run with seed "
                    f"{self._seeds[i]} in the middle of its episode, at epoch {epoch}: runs are "
                    "never restarted; leave the env to the runner"
                )

    def check_account(self, run: int, epochs: int, account: RunAccount) -> None:
        """Checks that what was trained beside a run is charged to it.

        Args:
            run: Index of the run.
            epochs: Epochs of its trace.
            account: What the policy says that it spent.

        Raises:
            PolicyError: If more was trained than that.
        """
        further = self._episodes.epochs_trained[run] - self._trained[run] - epochs
        steps = further * self._episodes.steps_per_epoch
        if account.gradient_steps < steps:
            raise PolicyError(
                f"policy {self._policy} trained {steps} gradient steps beside the run, but "
                f"accounts for {account.gradient_steps}: charge what it spends in its accounts, or "
                "leave the env to the runner"
            )
