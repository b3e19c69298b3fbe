"""What a report answers first: who is best, by how much, how sure, who collapses, what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atn_gym.eval.metrics.bootstrap import Estimate
from atn_gym.eval.metrics.formatting import count, join, number, seed_count
from atn_gym.eval.metrics.strata import has_spread
from atn_gym.eval.metrics.verdict import FEWEST_SEEDS, Comparison, Verdict, compare_scores
from atn_gym.eval.report.block_statistics import HEADLINE, BlockStatistics
from atn_gym.eval.report.document import Answers
from atn_gym.eval.report.making import break_even, making_runs

_CONFIDENCE = 0.95
_MARGIN = 0.01
_MOST_NAMED = 6


def answers(statistics: BlockStatistics) -> Answers:
    """Answers in sentences, each to a question that a reader brings.

    The best contender is compared with all others. It was chosen by the same runs, so the
    confidence is that of all pairs of contenders at once (Bonferroni).
    """
    s = statistics
    contenders = [c for c in s.order if not s.is_reference[c]]
    if not contenders:
        return Answers("There are runs of references only: nobody to rank.", ())
    found = [
        ("Who is best?", _best(s, contenders)),
        ("By how much, and how sure?", _margin(s, contenders)),
        ("What does looking win?", _adaptation(s, contenders)),
        ("Who collapses?", _collapses(s, contenders)),
        ("What does it cost?", _cost(s, contenders)),
    ]
    return Answers(_extent(s), tuple((question, said) for question, said in found if said))


def _extent(s: BlockStatistics) -> str:
    block = s.block
    return (
        f"{count(len(block.controllers), 'controller')} on {count(len(block.envs), 'env')}, "
        f"{seed_count(len(block.seeds))}. The score is compute-adjusted performance, from 0 to 1: "
        "how low the validation loss is over the whole run, per compute."
    )


def _best(s: BlockStatistics, contenders: Sequence[int]) -> str:
    best = contenders[0]
    said = f"{_name(s, best)} has the highest score, {_shown(s.adjusted, best)}"
    if len(contenders) > 1:
        said += f", of {count(len(contenders), 'contender')}"
    if s.baseline is not None and best == s.baseline:
        return f"{said}. It is the one that does nothing."
    if s.baseline is not None:
        above = [c for c in contenders if s.adjusted.value[c] > s.adjusted.value[s.baseline]]
        said += (
            f". fixed, which does nothing, has {number(float(s.adjusted.value[s.baseline]))}: "
            f"{len(above)} are above it, {len(contenders) - len(above) - 1} below"
        )
    return f"{said}."


def _margin(s: BlockStatistics, contenders: Sequence[int]) -> str:
    """Verdicts of the best contender against all others."""
    best, *others = contenders
    scores = s.stratified(s.block.values(HEADLINE)[[*contenders]])
    if not others:
        return ""
    if not has_spread(scores):
        return "A single seed decides nothing."
    if len(s.block.seeds) < FEWEST_SEEDS:
        return f"A verdict needs {FEWEST_SEEDS} seeds; these are {len(s.block.seeds)}."
    pairs = len(contenders) * (len(contenders) - 1) / 2
    names = s.block.controllers
    compared = [
        compare_scores(
            names[best],
            names[other],
            scores[0],
            scores[i],
            margin=_MARGIN,
            confidence=1 - (1 - _CONFIDENCE) / pairs,
        )
        for i, other in enumerate(others, 1)
    ]
    found = compared[0].difference
    value, low, high = (number(float(part)) for part in found)
    said = f"The next is {compared[0].second}, {value} [{low}, {high}] behind"
    groups = (
        ("better than", Verdict.BETTER),
        (f"equivalent, within {_MARGIN:g}, to", Verdict.EQUIVALENT),
        ("not told apart from", Verdict.UNDECIDED),
    )
    parts = [f"{words} {_of(compared, v)}" for words, v in groups if _names(compared, v)]
    return (
        f"{said}. {names[best]} is {'; '.join(parts)}. "
        f"This holds at {100 * _CONFIDENCE:.0f} % for all pairs at once."
    )


def _names(compared: Sequence[Comparison], verdict: Verdict) -> list[str]:
    return [found.second for found in compared if found.verdict == verdict]


def _of(compared: Sequence[Comparison], verdict: Verdict) -> str:
    """Names some, or says how many they are."""
    names = _names(compared, verdict)
    if len(names) == len(compared) > 1:
        return f"the {len(names)} others"
    return join(names) if len(names) <= _MOST_NAMED else f"{len(names)} others"


def _adaptation(s: BlockStatistics, contenders: Sequence[int]) -> str:
    """The best adaptation score of those that look."""
    scores = s.adaptation_score()
    looking = [c for c in contenders if c != s.blind and np.isfinite(scores.value[c])]
    if not looking:
        return ""
    best = max(looking, key=lambda c: float(scores.value[c]))
    return (
        f"{_name(s, best)} has the highest adaptation score, {_shown(scores, best, 2)}. 0 is "
        "blind, a tuned schedule that never observes its run; 1 is what observing can win."
    )


def _collapses(s: BlockStatistics, contenders: Sequence[int]) -> str:
    rates = s.collapse_rate()
    known = [c for c in contenders if np.isfinite(rates.value[c])]
    if not known:
        return ""
    runs = count(len(s.block.envs) * len(s.block.seeds), "run")
    least, most = (float(of(rates.value[known])) for of in (np.min, np.max))
    if least == most:
        return f"{number(100 * most, 1)} % of the {runs} of every contender ended at chance."
    best = known[0]
    ends = [("fewest", least), ("most", most)]
    place = next((f", the {words}" for words, rate in ends if rates.value[best] == rate), "")
    shown = [f"{_percent(rates, best)} of {_name(s, best)}{place}"]
    for words, rate in ends:
        of = [_name(s, c) for c in known if rates.value[c] == rate]
        names = join(of) if len(of) <= _MOST_NAMED else count(len(of), "contender")
        if of != [_name(s, best)]:
            shown.append(f"{words}: {number(100 * rate, 1)} % of {names}")
    return f"Of {runs} each, these ended at chance: {'; '.join(shown)}."


def _cost(s: BlockStatistics, contenders: Sequence[int]) -> str:
    best = contenders[0]
    cost, made, pays = s.relative_cost(), making_runs(s), break_even(s)
    runs = f"{number(float(cost[best]), 2)} whole runs of compute"
    dearest = max(contenders, key=lambda c: float(cost[c]))
    if number(float(cost[contenders].min()), 2) == number(float(cost[dearest]), 2):
        said = f"A run of every contender is charged the same, {runs}"
    else:
        said = f"A run of {_name(s, best)} is charged {runs}"
        if dearest != best:
            most = number(float(cost[dearest]), 2)
            said += f"; the dearest, of {_name(s, dearest)}, {most}"
    return f"{said}. {_making(_name(s, best), float(made[best]), float(pays[best]))}"


def _making(best: str, made: float, pays: float) -> str:
    if not np.isfinite(made):
        return f"What tuning or training {best} took is unknown."
    if made == 0:
        return f"{best} needs no tuning or training."
    said = (
        f"Tuning or training {best} took {number(made, 0)} whole runs, which the score leaves out"
    )
    if np.isposinf(pays):
        return f"{said} and which never pays."
    return f"{said}{f'; it pays from {number(pays, 0)} runs on' if np.isfinite(pays) else ''}."


def _name(s: BlockStatistics, c: int) -> str:
    return s.block.controllers[c]


def _shown(found: Estimate, c: int, digits: int = 3) -> str:
    value, low, high = (float(part[c]) for part in found)
    if not np.isfinite(low):
        return number(value, digits)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def _percent(found: Estimate, c: int) -> str:
    value, low, high = (number(100 * float(part[c]), 1) for part in found)
    return f"{value} % [{low}, {high}]"
