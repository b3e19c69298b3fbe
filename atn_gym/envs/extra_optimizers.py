"""Optimizers from their authors' packages: the extra `optimizers`."""

from __future__ import annotations

from torch import optim

try:
    from dadaptation import DAdaptSGD
    from prodigyopt import Prodigy
    from schedulefree import AdamWScheduleFree, SGDScheduleFree
except ImportError as error:
    from atn_gym.errors import DependencyUnavailable

    raise DependencyUnavailable(
        "the optimizers prodigy, dadapt_sgd, schedule_free_sgd and schedule_free_adamw need "
        f"packages of which one does not import ({error}): pip install 'atn_gym[optimizers]'"
    ) from error

EXTRA_OPTIMIZERS: dict[str, type[optim.Optimizer]] = {
    "schedule_free_sgd": SGDScheduleFree,
    "schedule_free_adamw": AdamWScheduleFree,
    "prodigy": Prodigy,
    "dadapt_sgd": DAdaptSGD,
}
"""Classes by name."""
