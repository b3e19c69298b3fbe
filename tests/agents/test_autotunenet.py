"""AutoTuneNet against scores written by hand, step by step."""

import itertools
import math

import numpy as np
import pytest

from atn_gym.agents import AutoTuneNet, RunSetting
from atn_gym.agents.study import Study
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

SPACE = HyperparameterSpace()
PUBLISHED = {
    "smoothing_window": 1,
    "max_regression": 0.2,
    "patience": 2,
    "cooldown": 3,
    "max_delta": 0.5,
    "startup_trials": 4,
}
"""Arguments of the publication, but for the window: each score counts by itself."""
INITIAL = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}


def make(num_epochs=30, seed=0, **arguments):
    return AutoTuneNet(RunSetting(SPACE, num_epochs, seed), **{**PUBLISHED, **arguments})


def drive(controller, metrics, initial=INITIAL):
    """Values in force in each epoch, and those proposed after the last metric."""
    in_force = [controller.propose(dict(initial))]
    for step, metric in enumerate(metrics, start=1):
        controller.observe(metric, step)
        in_force.append(controller.propose(dict(in_force[-1])))
    return in_force


def logs(params):
    return SPACE.log10(np.array([params[name] for name in SPACE.names]))


def scores_told_to_the_study(controller):
    return [score for _, score in controller.study.completed]


def test_nothing_is_tried_during_warm_up():
    in_force = drive(make(warmup_epochs=3), [1.0] * 4)
    assert in_force[:3] == [INITIAL] * 3
    assert in_force[3] != INITIAL


def test_every_step_of_a_run_with_two_rollbacks():
    controller = make(warmup_epochs=2, max_regression=0.2, patience=2, cooldown=3)
    # 0.5 is the first trial's; 0.55 is within tolerance; 0.7 and 0.7 are bad.
    in_force = drive(controller, [1.0, 1.0, 0.5, 0.55, 0.7, 0.7])
    v1, v2, v3, v4, restored = in_force[2:]
    assert len({tuple(v.values()) for v in (INITIAL, v1, v2, v3, v4)}) == 5
    assert restored == v2, "the last good values, not the first bad ones v3"
    assert controller.rollbacks == 1
    assert scores_told_to_the_study(controller) == [-0.5, -0.55, -0.7]
    for (values, _), params in zip(controller.study.completed, (v1, v2, v3), strict=True):
        np.testing.assert_allclose(values, logs(params), atol=1e-12)
    # Of the three epochs of cooldown the first has no trial, the others are accepted,
    # although 6.5 is 30 % worse than 5; after it, 7 and NaN are bad.
    rest = [5.0, 5.0, 6.5, 7.0, math.nan]
    params, after = restored, []
    for step, metric in enumerate(rest, start=7):
        controller.observe(metric, step)
        params = controller.propose(dict(params))
        after.append(params)
    v5, v6, v7, _, restored = after
    assert scores_told_to_the_study(controller)[3:] == [-5.0, -6.5, -7.0]
    np.testing.assert_allclose(controller.study.completed[3][0], logs(v5), atol=1e-12)
    assert restored == v6
    assert restored != v7
    assert controller.rollbacks == 2
    assert controller.optimizer_evaluations == 6


def test_a_single_bad_score_is_no_rollback():
    controller = make()
    drive(controller, [1.0, 1.0, 0.5, 0.9, 0.5, 0.9, 0.5, 0.9])
    assert controller.rollbacks == 0


@pytest.mark.parametrize("metric", [math.nan, math.inf])
def test_non_finite_scores_go_to_the_guard_and_never_into_the_average(metric):
    controller = make(smoothing_window=3, patience=2)
    in_force = drive(controller, [1.0, 1.0, 0.5, metric, 0.7])
    assert controller.rollbacks == 0
    assert scores_told_to_the_study(controller) == [-0.5, pytest.approx(-0.6)]
    in_force = drive(make(patience=1), [1.0, 1.0, 0.5, metric])
    assert in_force[-1] == in_force[2], "restored"


def test_a_non_finite_score_is_bad_even_in_the_cooldown():
    controller = make(patience=1, cooldown=5)
    in_force = drive(controller, [1.0, 1.0, 0.5, 2.0, 1.0, math.nan])
    assert controller.rollbacks == 2
    assert in_force[-1] == in_force[2]


def test_scores_are_averaged_over_the_window():
    controller = make(smoothing_window=3, max_regression=10)
    drive(controller, [9.0, 9.0, 1.0, 2.0, 3.0, 4.0])
    assert scores_told_to_the_study(controller) == pytest.approx([-1.0, -1.5, -2.0, -3.0])


def test_smoothing_decides_what_is_bad():
    # Alone, 0.65 is 30 % worse than 0.5; averaged with it, 15 %.
    assert drive_rollbacks(smoothing_window=2) == 0
    assert drive_rollbacks(smoothing_window=1) == 1


def test_a_rollback_forgets_the_scores_that_were_smoothed():
    metrics = [1.0, 1.0, 0.5, 0.5, 11.5, 11.5, 0.5, 0.5, 0.5, 0.5]
    controller = make(smoothing_window=3)
    drive(controller, metrics)
    assert controller.rollbacks == 1
    # 11.5 is told once, smoothed; what comes after the rollback does not pay for it.
    assert scores_told_to_the_study(controller) == pytest.approx(
        [-0.5, -0.5, -12.5 / 3, -0.5, -0.5, -0.5]
    )
    flawed = make(smoothing_window=3, keep_best=True)
    drive(flawed, metrics)
    assert min(scores_told_to_the_study(flawed)[3:]) < -5


def drive_rollbacks(**arguments):
    controller = make(patience=1, **arguments)
    drive(controller, [1.0, 1.0, 0.5, 0.65])
    return controller.rollbacks


@pytest.mark.parametrize("max_delta", [0.1, 0.5, 2.0])
def test_changes_are_bounded_and_stay_within_the_bounds(max_delta):
    in_force = drive(make(max_delta=max_delta, seed=3), [1.0] * 29)
    ratios = [10 ** (logs(b) - logs(a)) for a, b in itertools.pairwise(in_force)]
    assert np.max(ratios) <= 1 + max_delta + 1e-9
    if max_delta < 1:
        assert np.min(ratios) >= 1 - max_delta - 1e-9
    for params in in_force:
        SPACE.check(params)


def test_values_lie_between_the_ends_of_the_interval():
    for flawed in (False, True):
        in_force = drive(make(interval_ends=flawed, max_delta=0.5), [1.0] * 5)[2:]
        ratios = np.array([10 ** (logs(b) - logs(a)) for a, b in itertools.pairwise(in_force)])
        at_an_end = np.isclose(ratios, 0.5) | np.isclose(ratios, 1.5)
        assert at_an_end.all() == flawed
        assert at_an_end.any() == flawed


def test_the_bayesian_part_works_within_one_run(monkeypatch):
    from optuna.samplers import TPESampler

    informed = []
    original = TPESampler._sample

    def counting(self, study, *arguments, **keywords):
        informed.append(len(study.trials))
        return original(self, study, *arguments, **keywords)

    monkeypatch.setattr(TPESampler, "_sample", counting)
    controller = make(num_epochs=30)
    drive(controller, np.geomspace(2.0, 0.2, 29))
    assert controller.rollbacks == 0
    assert controller.optimizer_evaluations == 27
    # Of 28 asks, 4 are start-up trials; each of the others samples all three by TPE.
    assert len(informed) == 24 * 3


def test_the_study_learns():
    """On a score with one best point, late trials lie nearer to it than random ones."""
    best = np.array([-2.0, -1.0, -3.0])
    distances = {}
    for sampler in ("tpe", "random"):
        ends = []
        for seed in range(5):
            study = Study(SPACE, seed, startup_trials=5, sampler=sampler)
            for _ in range(40):
                trial = study.ask()
                study.tell(trial, -float(np.sum((trial.logs - best) ** 2)))
            ends += [np.linalg.norm(values - best) for values, _ in study.completed[-10:]]
        distances[sampler] = np.mean(ends)
    assert distances["tpe"] < 0.6 * distances["random"]


def test_the_same_seed_makes_the_same_proposals():
    metrics = [1.0, 0.9, 0.7, 0.8, 0.6, 0.5, 0.7, 0.4]
    assert drive(make(seed=1), metrics) == drive(make(seed=1), metrics)
    assert drive(make(seed=1), metrics) != drive(make(seed=2), metrics)


def test_the_first_bad_values_are_remembered_by_the_flaw_alone():
    metrics = [1.0, 1.0, 0.5, 0.7, 0.7]
    in_force = drive(make(), metrics)
    assert in_force[-1] == in_force[2]
    in_force = drive(make(remember_bad=True), metrics)
    assert in_force[-1] == in_force[3]


def test_a_lasting_shift_causes_one_rollback_unless_the_best_is_kept():
    metrics = [1.0, 1.0, *[0.1] * 5, *[1.0] * 20]
    corrected, flawed = make(), make(keep_best=True)
    drive(corrected, metrics)
    drive(flawed, metrics)
    assert corrected.rollbacks == 1
    assert flawed.rollbacks >= 3


def test_the_study_is_told_what_was_in_force_unless_flawed():
    for flawed in (False, True):
        controller = make(tell_proposed=flawed)
        controller.propose(INITIAL)
        for step in (1, 2):
            controller.observe(1.0, step)
        controller.propose(INITIAL)
        controller.observe(0.5, 3)
        # The env has clipped the proposal to something else.
        controller.propose({**INITIAL, "learning_rate": 0.0123})
        (values, _) = controller.study.completed[0]
        assert np.isclose(values[0], math.log10(0.0123)) == (not flawed)


def test_values_asked_for_within_the_interval_need_no_clamp():
    """What was asked for is what is in force, so that telling either is the same."""
    metrics = np.geomspace(2.0, 0.2, 20)
    for ends in (False, True):
        applied = make(interval_ends=ends)
        proposed = make(interval_ends=ends, tell_proposed=True)
        drive(applied, metrics)
        drive(proposed, metrics)
        pairs = zip(applied.study.completed, proposed.study.completed, strict=True)
        same = [np.allclose(a, b, atol=1e-9) for (a, _), (b, _) in pairs]
        assert all(same) == (not ends)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"warmup_epochs": -1}, "warmup_epochs must be an integer >= 0, got -1"),
        ({"patience": 0}, "patience must be an integer >= 1, got 0"),
        ({"max_delta": -0.5}, r"max_delta must be a number >= 0, got -0\.5"),
        ({"max_regression": math.nan}, "max_regression must be a number >= 0, got nan"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        make(**arguments)


def test_announcements_of_optuna_are_as_before():
    import optuna

    before = optuna.logging.get_verbosity()
    make()
    assert optuna.logging.get_verbosity() == before
