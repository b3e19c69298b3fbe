"""Schedules as controllers against torch's own sequences."""

import numpy as np
import pytest
import torch
import yaml
from torch.optim import lr_scheduler

from atn_gym.agents import RunSetting, controller_factory
from atn_gym.agents.schedulers import SCHEDULERS
from atn_gym.config import load_config
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

EPOCHS = 12
SETTING = RunSetting(HyperparameterSpace(), num_epochs=EPOCHS)
INITIAL = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
METRICS = [2.0, 1.0, 1.1, 1.2, 1.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.4]


def sequence(controller):
    params, rates = dict(INITIAL), []
    for step, metric in enumerate(METRICS, start=1):
        params = controller.propose(params)
        rates.append(params["learning_rate"])
        assert params["momentum"] == INITIAL["momentum"]
        controller.observe(metric, step)
    return rates


def torch_sequence(scheduler_class, **arguments):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=INITIAL["learning_rate"], momentum=0.9)
    scheduler = scheduler_class(optimizer, **arguments)
    rates = []
    for metric in METRICS:
        rates.append(optimizer.param_groups[0]["lr"])
        if len(rates) == EPOCHS:
            break
        optimizer.step()
        plateau = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
        scheduler.step(*([metric] if plateau else []))
    return rates


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("StepLR", {"step_size": 3, "gamma": 0.5}),
        ("MultiStepLR", {"milestones": [2, 5], "gamma": 0.1}),
        ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
        ("LinearLR", {"start_factor": 0.1, "total_iters": 5}),
        ("ExponentialLR", {"gamma": 0.8}),
        ("PolynomialLR", {"total_iters": 20, "power": 2}),
        ("CosineAnnealingLR", {"T_max": EPOCHS, "eta_min": 1e-4}),
        ("CosineAnnealingWarmRestarts", {"T_0": 4, "eta_min": 1e-4}),
        ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3}),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": EPOCHS, "final_div_factor": 10.0}),
        ("ReduceLROnPlateau", {"factor": 0.3, "patience": 1}),
    ],
)
def test_any_scheduler_gives_the_sequence_of_torch(name, arguments):
    controller = controller_factory("scheduler", scheduler=name, **arguments)(SETTING)
    assert sequence(controller) == torch_sequence(getattr(lr_scheduler, name), **arguments)


def test_presets_span_the_budget():
    cosine = sequence(controller_factory("cosine")(SETTING))
    expected = 1.4e-5 + (0.05 - 1.4e-5) * (1 + np.cos(np.pi * np.arange(EPOCHS) / EPOCHS)) / 2
    np.testing.assert_allclose(cosine, expected, rtol=1e-9)
    assert sequence(controller_factory("step")(SETTING)) == pytest.approx(
        np.repeat(0.05 * 0.573 ** np.arange(6), 2)
    )
    one_cycle = sequence(
        controller_factory("one_cycle", max_lr=0.2, pct_start=0.3, div_factor=10.0)(SETTING)
    )
    assert one_cycle[0] == pytest.approx(0.02)
    assert max(one_cycle) == pytest.approx(0.2, rel=0.05)
    assert one_cycle[-1] == pytest.approx(1e-5)


def test_warm_restarts_are_those_of_torch():
    found = sequence(controller_factory("warm_restarts", period=3, growth=2, eta_min=1e-5)(SETTING))
    torchs = lr_scheduler.CosineAnnealingWarmRestarts
    assert found == torch_sequence(torchs, T_0=3, T_mult=2, eta_min=1e-5)
    assert sequence(controller_factory("warm_restarts")(SETTING)) == torch_sequence(
        torchs, T_0=EPOCHS // 2, eta_min=3e-5
    )


def test_schedules_of_a_peak_by_hand():
    def shares(name, peak=0.05, **arguments):
        return np.array(sequence(controller_factory(name, **arguments)(SETTING))) / peak

    np.testing.assert_allclose(shares("linear_decay"), 1 - np.arange(EPOCHS) / EPOCHS)
    cosine = (1 + np.cos(np.pi * np.arange(9) / 9)) / 2
    np.testing.assert_allclose(
        shares("warmup_cosine", 0.3, warmup=0.25, max_lr=0.3), [1 / 3, 2 / 3, 1, *cosine]
    )
    np.testing.assert_allclose(
        shares("warmup_cosine", warmup=0)[1:4], shares("cosine", eta_min=0.0)[1:4]
    )
    np.testing.assert_allclose(
        shares("warmup_stable_decay", warmup=0.17, decay=0.25),
        [1 / 2, 1, *[1] * 7, 3 / 4, 2 / 4, 1 / 4],
    )
    np.testing.assert_allclose(shares("warmup_stable_decay", warmup=0, decay=0), np.ones(EPOCHS))


def test_proposals_stay_within_the_bounds():
    vanishing = controller_factory("scheduler", scheduler="ExponentialLR", gamma=0.01)(SETTING)
    assert min(sequence(vanishing)) == 1e-5
    growing = controller_factory("scheduler", scheduler="ExponentialLR", gamma=10.0)(SETTING)
    assert max(sequence(growing)) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheduler": "StepLr"}, "unknown scheduler 'StepLr'; did you mean 'StepLR'"),
        ({"scheduler": "StepLR"}, "torch refuses the arguments of StepLR.*step_size"),
        ({"scheduler": "StepLR", "step_sze": 3}, "torch refuses .*step_sze"),
        ({"scheduler": "ReduceLROnPlateau", "factor": 2.0}, "Factor should be"),
        ({"scheduler": "StepLR", "step_size": 0}, r"refuses .*StepLR \(ZeroDivisionError\)"),
        ({"scheduler": "StepLR", "step_size": "three"}, r"StepLR \(TypeError\)"),
        ({"scheduler": "ReduceLROnPlateau", "patience": "three"}, r"\(TypeError\)"),
        ({"scheduler": "ExponentialLR", "gamma": float("nan")}, "lead to nan at epoch 1"),
        (
            {"scheduler": "OneCycleLR", "max_lr": 0.1, "total_steps": EPOCHS - 2},
            "Tried to step 11 times",
        ),
        ({"scheduler": "StepLR", "step_size": 2, "gamma": -0.5}, "lead to -0.5 at epoch 2"),
        ({"scheduler": "LambdaLR", "lr_lambda": "abs"}, "LambdaLR is made of functions"),
        ({"scheduler": "SequentialLR"}, "SequentialLR is made of .* other schedulers"),
        ({"scheduler": "ChainedScheduler"}, "write a Controller of your own"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        controller_factory("scheduler", **arguments)(SETTING)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("step", {"gamma": -0.5}),
        ("step", {"step_size": -3}),
        ("step", {"step_size": 2.5}),
        ("reduce_lr_on_plateau", {"factor": -0.3}),
        ("reduce_lr_on_plateau", {"patience": -1}),
        ("reduce_lr_on_plateau", {"cooldown": 0.5}),
        ("cosine", {"eta_min": -1.0}),
        ("one_cycle", {"max_lr": -1.0}),
        ("warm_restarts", {"period": 0}),
        ("warm_restarts", {"growth": 0}),
        ("linear_decay", {"max_lr": -1.0}),
    ],
)
def test_arguments_beyond_the_documented_range_are_refused(name, arguments):
    with pytest.raises(InvalidArgument, match=r">= \d"):
        controller_factory(name, **arguments)(SETTING)


@pytest.mark.parametrize("step_size", [0, "three"])
def test_a_bad_argument_is_named_when_a_config_is_loaded(tmp_path, step_size):
    config = {
        "experiment": "bad",
        "envs": ["atn_gym/DigitsCnn-DataShift-v0"],
        "controllers": [{"name": "step", "step_size": step_size}],
        "seeds": 1,
    }
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InvalidArgument, match=r"bad.yaml: step_size must be an integer >= 1, got"):
        load_config(tmp_path / "bad.yaml")


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_that_is_offered_can_be_had_by_plain_values(name):
    arguments = {
        "StepLR": {"step_size": 3},
        "MultiStepLR": {"milestones": [2]},
        "CosineAnnealingLR": {"T_max": EPOCHS},
        "CosineAnnealingWarmRestarts": {"T_0": 4},
        "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1},
        "OneCycleLR": {"max_lr": 0.1, "total_steps": EPOCHS},
        "ExponentialLR": {"gamma": 0.9},
    }.get(name, {})
    controller = controller_factory("scheduler", scheduler=name, **arguments)(SETTING)
    assert np.isfinite(sequence(controller)).all()


def test_the_name_of_a_scheduler_is_required():
    with pytest.raises(InvalidArgument, match="needs the argument 'scheduler'"):
        controller_factory("scheduler", gamma=0.5)
