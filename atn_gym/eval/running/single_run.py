"""The rule that a run is trained once: whatever else a policy trains, it must account for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.agents.policy import RunAccount
from atn_gym.eval.running.failures import PolicyError


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
