"""The reference of doing nothing."""

from __future__ import annotations

from atn_gym.agents.controller import Controller, Params


class Fixed(Controller):
    """Keeps the initial hyperparameters for the whole run: the score of doing nothing.

    When it fails: wherever the initial values are poor, or become so at the shock.

    Args:
        setting: What is known of the run.
    """

    observes = False

    def observe(self, metric: float, step: int) -> None:
        """Ignores the metric."""

    def propose(self, current_params: Params) -> Params:
        """Keeps the values in force."""
        return current_params
