"""Bayesian optimisation over whole runs, or their first epochs, before the one that is scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atn_gym.agents.offline_search import OfflineSearch, Trials
from atn_gym.agents.study import SAMPLERS, Study
from atn_gym.errors import check_count, check_number, check_positive_integer, unknown_name


@dataclass(frozen=True)
class OfflineBayesian(OfflineSearch):
    """Searches fixed hyperparameters by whole runs, then makes the scored run with the best.

    Each trial is a run from fresh weights with fixed hyperparameters out of the whole range of
    the env, under a seed of its own that differs from that of the scored run. Its score is the
    anytime performance as the observed validation loss L_t shows it,

        1/T sum of clip(ln(ln C / L_t) / ln 100, -1, 1),

    with -1 for every epoch after divergence. `together` trials are asked for at once, trained
    side by side in a vector env, and reported. All trials are restarts: their number, gradient
    steps, operations and wall-clock are charged to the scored run.

    When it fails: what it finds must be worth num_trials + 1 runs, for that is by how much
    its compute-adjusted performance is divided. Found on the stationary task, its values know
    nothing of the shock; found on the same env, they are a compromise between before and after.

    Args:
        num_trials: Runs of the search, >= 1.
        together: Trials asked for and trained at once, >= 1.
        env: "stationary", the task without the regime, or "same", the env that is scored.
        sampler: "tpe", "gp" (a Gaussian process) or "random".
        startup_trials: Trials drawn at random before the sampler takes over, >= 0.
        trial_share: Share of the budget that a trial trains, at least an epoch, in [0.01, 1].

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Example:
        >>> import gymnasium
        >>> env = gymnasium.make("atn_gym:atn_gym/DigitsCnn-DataShift-v0", num_epochs=2)
        >>> policy = OfflineBayesian(num_trials=2, together=2).policy(env, seeds=[0])
        >>> (found,) = policy.search()
        >>> observation, _ = env.reset(seed=0, options={"hyperparameters": found})

    Source:
        Optuna: T. Akiba et al., Optuna: A Next-generation Hyperparameter Optimization
        Framework, KDD 2019.
    """

    num_trials: int = 20
    together: int = 5
    env: str = "stationary"
    sampler: str = "tpe"
    startup_trials: int = 10
    trial_share: float = 1.0

    def __post_init__(self) -> None:
        check_positive_integer("num_trials", self.num_trials)
        check_positive_integer("together", self.together)
        check_count("startup_trials", self.startup_trials)
        check_number("trial_share", self.trial_share, 0.01, 1)
        self.check_env()
        if self.sampler not in SAMPLERS:
            raise unknown_name("sampler", self.sampler, SAMPLERS)

    @property
    def slots(self) -> int:
        """Trials trained at once."""
        return min(self.together, self.num_trials)

    def find(self, trials: Trials, seed: int) -> None:
        """Asks for trials, trains them and reports their scores, batch by batch."""
        study = Study(trials.space, seed, self.startup_trials, self.sampler)
        seeds = np.random.default_rng(seed).integers(2**31, size=self.num_trials).tolist()
        epochs = max(round(self.trial_share * trials.num_epochs), 1)
        for first in range(0, self.num_trials, self.slots):
            batch = seeds[first : first + self.slots]
            asked = [study.ask() for _ in batch]
            trials.begin([trial.logs for trial in asked], batch)
            scores = trials.train(range(len(batch)), epochs).mean(1).tolist()
            for trial, score in zip(asked, scores, strict=True):
                study.tell(trial, score)
        trials.search.tried = study.completed
        trials.search.found = study.best


@dataclass(frozen=True)
class EarlyBayesian(OfflineBayesian):
    """Searches fixed hyperparameters by the first epochs of runs, then makes the scored run.

    It is `offline_bayesian` with trials that end after `trial_share` of the budget, so that the
    search costs num_trials times that share of a run. A trial's score is the mean over its epochs.

    When it fails: what is best within a few epochs is seldom best over the whole run: short trials
    favour large steps. A shock comes after the trials have ended, in every env.

    Args:
        num_trials: Trials of the search, >= 1.
        together: Trials asked for and trained at once, >= 1.
        env: "stationary", the task without the regime, or "same", the env that is scored.
        sampler: "tpe", "gp" (a Gaussian process) or "random".
        startup_trials: Trials drawn at random before the sampler takes over, >= 0.
        trial_share: Share of the budget that a trial trains, at least an epoch, in [0.01, 1].

    Source:
        T. Domhan et al., Speeding Up Automatic Hyperparameter Optimization of Deep Neural
        Networks by Extrapolation of Learning Curves, IJCAI 2015, for the premise that the
        beginning of a run tells.
    """

    trial_share: float = 0.1
