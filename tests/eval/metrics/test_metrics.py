"""Metrics of a run against values computed by hand."""

import math

import numpy as np
import pytest

from atn_gym.errors import InvalidArgument
from atn_gym.eval.metrics import run_metrics
from atn_gym.eval.metrics.adaptation import (
    Recovery,
    adaptation_frequency,
    false_alarm_rate,
    recovery_time,
    shock_cost,
    update_magnitude,
)

CHANCE = math.log(10)


@pytest.mark.parametrize(
    ("shares_of_chance", "events"),
    [
        ([0.9, 0.6, 0.4, 0.3], 0),
        ([1.0, 1.1, 0.99, 1.9], 0),  # at chance, but never learned
        ([0.9, 0.6, 1.2, 1.2], 0),  # back at chance from 0.6: half of it was not reached
        ([0.9, 0.4, 1.2, 1.1], 1),
        ([0.4, 0.98, 0.98, 1.0], 1),
        ([0.4, 0.97, 0.97, 0.9], 0),
        ([0.4, 1.2, 0.6, 1.2], 2),
        ([0.4, 1.2, 2.5, 1.2], 1),  # one stretch, whatever the reason of each epoch
        ([2.1, 1.5, 0.4], 1),
        ([2.0, 1.5, 0.4], 0),
        ([2.1, 1.5, 2.1, 0.4], 2),
        ([0.4, 0.3, 5.0, 5.0], 1),  # padded after divergence
        ([0.4, 0.3, 5.0, 0.3], 1),  # rolled back after divergence
        ([5.0], 1),
        ([0.4, math.nan, math.inf, 0.4, -math.inf], 2),
        ([math.nan, 0.4], 1),
    ],
)
def test_divergence_events(shares_of_chance, events):
    assert run_metrics.divergence_events(np.array(shares_of_chance) * CHANCE, 10) == events


def test_a_network_that_died_at_the_class_frequencies_is_one_event():
    # Entropy of MNIST's ten unequal classes is 2.301, below ln 10 = 2.3026.
    loss = np.array([0.5, 0.1, 2.3011, 2.3040, 2.3012, 2.3031])
    assert run_metrics.divergence_events(loss, 10) == 1
    assert run_metrics.collapsed(loss[:3], 10)


def test_divergence_depends_on_the_number_of_classes():
    loss = np.array([0.1, 1.5])
    assert run_metrics.divergence_events(loss, 2) == 1
    assert run_metrics.divergence_events(loss, 10) == 0
    assert run_metrics.divergence_events(loss, math.exp(0.7)) == 1


@pytest.mark.parametrize(
    ("last", "expected"),
    [(0.1, False), (0.97, False), (0.98, True), (1.0, True), (5.0, True), (math.nan, True)],
)
def test_collapsed_looks_at_the_end_alone(last, expected):
    assert run_metrics.collapsed(np.array([5.0, 0.1, last]) * CHANCE, 10) is expected
    assert run_metrics.collapsed(np.array([last]) * CHANCE, 10) is expected


@pytest.mark.parametrize(
    ("loss", "spikes"),
    [
        ([1.0], 0),
        ([1.0, 1.5], 0),
        ([1.0, 1.6], 1),
        ([1.0, 1.6, 1.6], 2),
        ([1.0, 2.0, 1.4, 1.0], 1),
        ([3.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], 5),  # then the window holds the 2 alone
        ([1.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0], 5),
        ([5.0, 4.0, 3.0, 2.0], 0),
        ([0.0, 0.0, 1e-9], 1),
    ],
)
def test_loss_spikes(loss, spikes):
    assert run_metrics.loss_spikes(np.array(loss)) == spikes


def test_loss_spikes_do_not_depend_on_the_unit():
    loss = np.random.default_rng(0).lognormal(size=40)
    assert 0 < run_metrics.loss_spikes(loss) == run_metrics.loss_spikes(4 * loss) < 40


STILL = [-2.0, -1.0]
MOVES = np.array([STILL, [-1.7, -1.4], [-1.7, -1.4], [-1.7, -1.2], [-1.7, -1.2 + 5e-7]])


def test_update_magnitude_is_the_mean_length_of_the_moves():
    assert update_magnitude(MOVES) == pytest.approx((0.5 + 0 + 0.2 + 5e-7) / 4)
    assert update_magnitude(np.array([STILL] * 5)) == 0
    assert update_magnitude(MOVES + 3) == pytest.approx(update_magnitude(MOVES))


def test_adaptation_frequency_counts_epochs_and_forgives_rounding():
    assert adaptation_frequency(MOVES) == 0.5
    assert adaptation_frequency(np.array([STILL] * 5)) == 0
    assert adaptation_frequency(np.array([[0.0], [-2e-6]])) == 1


@pytest.mark.parametrize(
    ("shock", "rate"),
    [(0, None), (1, 1.0), (2, 0.5), (3, 2 / 3), (4, 0.5), (20, 0.5), (None, 0.5)],
)
def test_false_alarms_are_changes_before_the_shock(shock, rate):
    assert false_alarm_rate(MOVES, shock) == (None if rate is None else pytest.approx(rate))


def recovery(accuracy, shock, lost=0):
    diverged = np.arange(len(accuracy)) >= len(accuracy) - lost
    return recovery_time(np.array(accuracy), diverged, shock)


@pytest.mark.parametrize(
    ("accuracy", "shock", "expected"),
    [
        ([0.5, 0.9, 0.88, 0.85, 0.5, 0.7, 0.885, 0.4], 4, Recovery(2, True)),
        ([0.95, 0.9, 0.9, 0.9, 0.5, 0.89], 4, Recovery(1, True)),  # 0.95 is four back
        ([0.9, 0.9, 0.9, 0.89, 0.88], 3, Recovery(0, True)),  # never below
        ([0.9, 0.9, 0.9, 0.89, 0.1, 0.1], 3, Recovery(3, False)),  # dead an epoch later
        ([0.9, 0.9, 0.9, 0.89, 0.5, 0.9], 3, Recovery(2, True)),
        ([0.9, 0.9, 0.9, 0.5, 0.9, 0.5], 3, Recovery(1, True)),  # the first fall alone
        ([0.9, 0.9, 0.9, 0.5, 0.6, 0.9], 3, Recovery(2, True)),
        ([0.9, 0.9, 0.9, 0.5, 0.6, 0.87], 3, Recovery(3, False)),
        ([0.9, 0.9, 0.5], 2, Recovery(1, False)),
        ([0.8, 0.9, 0.5, 0.8, 0.9], 2, Recovery(2, True)),
        ([0.5, 0.4, 0.5], 1, Recovery(1, True)),
        ([0.9, 0.9, 0.5], 0, None),
        ([0.9, 0.9, 0.5], None, None),
    ],
)
def test_recovery_time(accuracy, shock, expected):
    assert recovery(accuracy, shock) == expected


def test_a_run_that_diverged_never_recovers():
    assert recovery([0.8, 0.9, 0.1, 0.1], 2, lost=2) == Recovery(2, False)
    before_the_shock = [0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert recovery(before_the_shock, 5, lost=6) == Recovery(2, False)
    untrained = [0.1, 0.1, 0.1, 0.1]
    assert recovery(untrained, 2, lost=2) == Recovery(2, False)
    assert recovery(untrained, 2) == Recovery(0, True)


def test_a_run_that_had_learned_nothing_has_nothing_to_recover():
    accuracy, no = np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1]), np.zeros(6, bool)
    learned = np.array([True, False, False, False, False, False])
    assert recovery_time(accuracy, no, 4, learned) is None
    # What was learned within the three epochs before the shock counts.
    assert recovery_time(accuracy, no, 3, learned) == Recovery(3, False)
    # A run that diverged lost what it had.
    lost = np.array([False, True, True, True, True, True])
    assert recovery_time(accuracy, lost, 4, learned) == Recovery(2, False)


def test_above_chance_begins_at_0_98_ln_c():
    losses = np.array([0.99, 0.97, 0.5, np.nan]) * np.log(10)
    assert run_metrics.left_chance(losses, 10).tolist() == [False, True, True, False]


def test_a_run_that_was_rolled_back_after_divergence_recovers_in_a_later_epoch():
    lost = np.array([False, False, True, False])
    assert recovery_time(np.array([0.1, 0.1, 0.1, 0.1]), lost, 2) == Recovery(1, True)


def test_shock_cost_is_the_mean_excess_over_the_twin():
    loss, twin = np.array([1.0, 0.5, 0.9, 0.7]), np.array([1.0, 0.5, 0.4, 0.3])
    assert shock_cost(loss, twin, 2) == pytest.approx(0.45)
    assert shock_cost(loss, twin, 3) == pytest.approx(0.4)
    assert shock_cost(loss, twin, 0) == pytest.approx(0.225)
    assert shock_cost(twin, loss, 2) == pytest.approx(-0.45)
    assert shock_cost(loss, twin, None) is None
    diverged = run_metrics.pad_diverged(np.array([1.0]), 4, 5 * CHANCE)
    assert shock_cost(diverged, diverged, 2) == 0
    assert shock_cost(diverged, twin, 2) == pytest.approx(5 * CHANCE - 0.35)


def test_compute_adjusted_performance_charges_the_search():
    assert run_metrics.compute_adjusted_performance(0.5, 100, 100) == 0.75
    assert run_metrics.compute_adjusted_performance(0.5, 100, 1000) == pytest.approx(0.075)
    assert run_metrics.compute_adjusted_performance(-1, 100, 100) == 0
    assert run_metrics.compute_adjusted_performance(1, 100, 100) == 1
    ended_early = run_metrics.compute_adjusted_performance(-0.9, 10, 10)
    assert ended_early == pytest.approx(0.05)


ONE, TWO, NAN = np.ones(1), np.ones(2), np.array([1.0, math.nan])
NO, NO_NO = np.zeros(1, bool), np.zeros(2, bool)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run_metrics.divergence_events(np.ones(0), 10), r"shape \(T,\).*got \(0,\)"),
        (lambda: run_metrics.divergence_events(TWO, 1), "num_classes must be above 1, got 1"),
        (lambda: run_metrics.collapsed(np.ones((1, 2)), 10), r"got \(1, 2\)"),
        (lambda: run_metrics.collapsed(TWO, math.nan), "got nan"),
        (lambda: run_metrics.loss_spikes(NAN), r"val_loss must be finite, got \[1.0, nan\]: pad"),
        (lambda: update_magnitude(np.ones((1, 3))), r"\(e \+ 1, K\).*got \(1, 3\)"),
        (lambda: update_magnitude(np.ones((3, 0))), r"got \(3, 0\)"),
        (lambda: adaptation_frequency(TWO), r"got \(2,\)"),
        (lambda: adaptation_frequency(NAN[:, None]), "log10_values must be finite"),
        (lambda: false_alarm_rate(MOVES, -1), "shock must be >= 0, or None .*, got -1"),
        (lambda: recovery_time(NAN, NO_NO, 1), "val_accuracy must be finite"),
        (lambda: recovery_time(TWO, NO, 1), r"diverged must have the shape .*\(2,\), got \(1,\)"),
        (lambda: recovery_time(TWO, NO_NO, 2), "below the 2 epochs of the budget.*got 2"),
        (lambda: recovery_time(TWO, NO_NO, -1), "or None where there is none, got -1"),
        (lambda: shock_cost(TWO, ONE, 1), r"twin_val_loss must have the shape .*got \(1,\)"),
        (lambda: shock_cost(TWO, NAN, 1), "twin_val_loss must be finite"),
        (lambda: shock_cost(TWO, TWO, 2), "below the 2 epochs of the budget.*got 2"),
        (lambda: run_metrics.compute_adjusted_performance(1.1, 1, 1), r"in \[-1, 1\], got 1.1"),
        (lambda: run_metrics.compute_adjusted_performance(math.nan, 1, 1), "got nan"),
        (lambda: run_metrics.compute_adjusted_performance(0, 2, 1), "got 2 of 1"),
        (lambda: run_metrics.compute_adjusted_performance(0, 0, 0), "got 0 of 0"),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()


def test_chance_is_that_of_the_classes_in_use():
    at_chance_of_five = np.array([0.2, 1.6, 1.6])
    assert not run_metrics.collapsed(at_chance_of_five, 10)
    assert run_metrics.collapsed(at_chance_of_five, np.array([5, 5, 5]))
    assert not run_metrics.collapsed(at_chance_of_five, np.array([5, 5, 10]))
    assert run_metrics.divergence_events(at_chance_of_five, 10) == 0
    assert run_metrics.divergence_events(at_chance_of_five, np.array([5, 5, 10])) == 1
    assert run_metrics.divergence_events(at_chance_of_five, np.array([5, 10, 10])) == 0
