"""The tables of a report: performance, safety, adaptation and cost."""

from __future__ import annotations

import numpy as np

from atn_gym.eval.metrics.aggregate import seed_std
from atn_gym.eval.metrics.bootstrap import FEW_SEEDS
from atn_gym.eval.metrics.formatting import NONE, count, number, seed_count
from atn_gym.eval.metrics.headings import HEADINGS
from atn_gym.eval.metrics.strata import has_spread
from atn_gym.eval.report.block_statistics import (
    ANYTIME,
    HEADLINE,
    SEEDS_PER_DECILE,
    BlockStatistics,
)
from atn_gym.eval.report.columns import (
    Column,
    controller_table,
    count_column,
    estimate_column,
    mean_column,
    spread_column,
)
from atn_gym.eval.report.document import Table
from atn_gym.eval.report.making import break_even, making_runs


def performance_table(statistics: BlockStatistics) -> Table:
    """Performance over all envs, with the failures that a mean hides beside it."""
    s = statistics
    runs = count(len(s.block.envs) * len(s.block.seeds), "run")
    return controller_table(
        f"All envs: {_extent(s)}, {runs} per controller",
        s,
        [
            *headline_columns(s),
            estimate_column(
                "interquartile mean of anytime",
                s.interquartile_means(),
                "The interquartile mean leaves out the lowest and the highest quarter of the runs.",
            ),
            *regret_columns(s),
            mean_column(s, "mean_val_loss"),
            estimate_column(
                "P(better than fixed)",
                s.improvement(),
                "P(better than fixed) is the probability that a run has a higher "
                "compute-adjusted performance than a run of fixed in the same stratum.",
                digits=2,
            ),
            estimate_column(
                "mean rank",
                s.mean_ranks(),
                "Ranks are among contenders, by compute-adjusted performance.",
                digits=2,
            ),
        ],
        interval_note(s),
    )


def headline_columns(statistics: BlockStatistics) -> list[Column]:
    """What a method is judged by: performance, what looking won, and failures."""
    s = statistics
    return [
        estimate_column(
            HEADINGS[HEADLINE].text,
            s.adjusted,
            "Compute-adjusted performance, in [0, 1], is (J + 1) / 2 times the share of the "
            "charged flops that the scored run took; rows are sorted by it. It leaves out what "
            "making the method cost, by tuning or training: see Cost.",
        ),
        estimate_column(
            HEADINGS[ANYTIME].text,
            s.anytime,
            "Anytime performance J, in [-1, 1], is the mean of the default reward over the budget.",
        ),
        adaptation_score_column(s),
        _collapse_column(s, "Collapsed runs ended at chance; the interval is exact."),
        _worst_decile_column(s),
    ]


def safety_table(statistics: BlockStatistics, env: str | None = None) -> Table:
    """How runs failed, over all envs or on one."""
    s = statistics
    anytime = s.anytime_scores
    deviations = seed_std(anytime) if has_spread(anytime) else np.full(len(anytime), np.nan)
    return controller_table(
        _title("Safety", s, env),
        s,
        [
            _collapse_column(
                s,
                "A collapsed run ended at chance. The interval of the rate is exact for "
                "independent runs.",
            ),
            count_column(s, "collapsed"),
            count_column(s, "diverged", "A diverged run ended with a loss that is not finite."),
            _worst_decile_column(s),
            Column("seed std. of anytime", lambda c: number(deviations[c])),
            mean_column(
                s,
                "divergence_events",
                "Divergence events are stretches of epochs in which training broke down.",
            ),
            mean_column(
                s,
                "loss_spikes",
                "Loss spikes are epochs with a validation loss above 1.5 times the lowest of the "
                "five before.",
            ),
            mean_column(s, "rollback_count"),
            mean_column(s, "restarts", "Restarts are runs spent before the scored one."),
        ],
    )


def adaptation_table(statistics: BlockStatistics, env: str | None = None) -> Table:
    """How runs took the shock and what controllers did, over all envs or on one."""
    s = statistics
    recovery = s.recovery
    times = None if recovery is None else recovery.mean_times()
    horizon = "" if recovery is None else f", within {count(recovery.horizon, 'epoch')}"
    shock_cost = mean_column if env is None else spread_column
    return controller_table(
        _title("Adaptation", s, env),
        s,
        [
            mean_column(
                s,
                "recovered",
                "A run recovered if validation accuracy came back within 0.02 of its best of the "
                "three epochs before the shock. A run that never fell below has the time 0. A "
                "shock before the first epoch does not count.",
            ),
            Column(
                f"recovery time, restricted mean (epochs{horizon})",
                lambda c: NONE if times is None else number(times[c], 1),
            ),
            shock_cost(
                s,
                "shock_cost",
                "Shock cost is the mean validation loss from the shock on, less that of the twin: "
                "the same run with the regime switched off. It is negative where the shock "
                f"helped, and {NONE} where no twin was run.",
            ),
            mean_column(s, "update_magnitude"),
            mean_column(s, "adaptation_frequency"),
            mean_column(
                s,
                "false_alarm_rate",
                "Without a shock, every change is a false alarm. A schedule, which never looks, "
                "raises none.",
            ),
            *_feedback_columns(s),
        ],
    )


def _feedback_columns(statistics: BlockStatistics) -> list[Column]:
    """The value of feedback, if any controller has a yoked control."""
    found = statistics.value_of_feedback()
    if not np.isfinite(found.value).any():
        return []
    meaning = (
        "The value of feedback is the paired difference of the anytime performance to the yoked "
        "control, which does in a run what the controller chose in another run: 0 for a schedule."
    )
    return [estimate_column("value of feedback", found, meaning)]


def charged_table(statistics: BlockStatistics) -> Table:
    """What was charged in the runs."""
    s = statistics
    flops, made, pays = s.relative_flops(), making_runs(s), break_even(s)
    return controller_table(
        f"Charged in the run, means per run over all envs: {_extent(s)}",
        s,
        [
            mean_column(s, "optimizer_evaluations"),
            mean_column(s, "gradient_steps"),
            Column(
                "flops (whole runs)",
                lambda c: number(flops[c], 2),
                "Search and lookahead are charged. Flops are relative to one whole run.",
            ),
            *(
                mean_column(s, f"wall_clock_s.{part}")
                for part in ("training", "controller", "search")
            ),
            mean_column(
                s,
                "wall_clock_s.total",
                "Wall-clock times depend on the machine and its load; runs that were trained "
                "together share theirs evenly.",
            ),
            Column(
                "making (whole runs)",
                lambda c: number(made[c], 0),
                "Making is what tuning or training the method took before, as the method states "
                f"it, {NONE} if that is unknown; it is not charged in the run.",
            ),
            Column(
                "break-even (runs)",
                lambda c: "never" if np.isposinf(pays[c]) else number(pays[c], 0),
                "From the break-even on, a method that is made for that many runs has at least "
                "the compute-adjusted performance of the best contender that cost nothing to make.",
            ),
        ],
    )


def regret_columns(statistics: BlockStatistics) -> list[Column]:
    """The regret, where the optimum of any run is known."""
    if not np.isfinite(statistics.block.values("regret")).any():
        return []
    meaning = (
        "Regret is the anytime performance of the best schedule of the run, which is known for "
        "the noisy quadratic only, less that achieved."
    )
    return [mean_column(statistics, "regret", meaning)]


def adaptation_score_column(statistics: BlockStatistics) -> Column:
    """The adaptation score, or why it is undefined."""
    meaning = (
        "The adaptation score is 0 for blind, a tuned schedule that never observes the run, and 1 "
        "for the reactive oracle, or for the best schedule where it is known."
    )
    return estimate_column(
        "adaptation score",
        statistics.adaptation_score(),
        statistics.why_no_adaptation_score() or meaning,
        digits=2,
    )


def interval_note(statistics: BlockStatistics) -> str:
    """Says what the intervals of a pooled table or figure are."""
    seeds = len(statistics.block.seeds)
    means = "Means are stratified: each env with each set of initial values counts the same."
    if not has_spread(statistics.anytime_scores):
        return f"{means} A single seed has no interval."
    few = f", which may be too narrow with {seeds} seeds" if seeds < FEW_SEEDS else ""
    return f"{means} Brackets are 95 % bootstrap intervals over seeds{few}."


def _collapse_column(statistics: BlockStatistics, meaning: str) -> Column:
    return estimate_column(
        "collapse rate (%)", statistics.collapse_rate(), meaning, digits=1, scale=100
    )


def _worst_decile_column(statistics: BlockStatistics) -> Column:
    """The worst decile, and how many seeds it rests on."""
    seeds = statistics.fewest_seeds()
    tenth = f"the worst tenth of the seeds, here {seeds / SEEDS_PER_DECILE:g} of {seeds}"
    if seeds <= SEEDS_PER_DECILE:
        tenth = f"the worst seed of the {seeds}" if seeds > 1 else "the single seed"
    mean = "" if len(statistics.strata) == 1 else "mean over strata of the "
    meaning = f"The worst decile is the {mean}anytime performance of {tenth}"
    if seeds < 2 * SEEDS_PER_DECILE:
        meaning += f"; its interval needs {2 * SEEDS_PER_DECILE} seeds"
    return estimate_column("worst decile of anytime", statistics.worst(), f"{meaning}.")


def _extent(statistics: BlockStatistics) -> str:
    block = statistics.block
    return f"{count(len(block.envs), 'env')}, {seed_count(len(block.seeds))}"


def _title(what: str, statistics: BlockStatistics, env: str | None) -> str:
    if env is None:
        return f"{what} over all envs: {_extent(statistics)}"
    return f"{env}, {what.lower()}: {seed_count(len(statistics.block.seeds))}"
