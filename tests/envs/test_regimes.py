from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from trainers import reset, rows

from atn_gym.envs import optimizers, regimes
from atn_gym.envs.data import SPLITS, Dataset, RunData, Split
from atn_gym.envs.regimes import (
    CurriculumShift,
    DataShift,
    LossPerturbation,
    Mixture,
    OptimizerSensitivityShift,
    Regime,
    Rotation,
    Stationary,
)
from atn_gym.errors import InvalidArgument

NOMINAL = {"learning_rate": 0.02, "momentum": 0.9, "weight_decay": 1e-4}
REGIMES = (Stationary, DataShift, CurriculumShift, OptimizerSensitivityShift, LossPerturbation)
EVERY_KIND = [(regime, kind) for regime in REGIMES for kind in regime.kinds]


class Applied:
    """A run as regimes leave it, cleared before each of them as the trainer does."""

    def __init__(self, dataset: Dataset, optimizer: str = "sgd") -> None:
        self.model = nn.Linear(2, 2)
        self.data = RunData(dataset)
        self.optimizer = optimizers.make_optimizer(optimizer, self.model.parameters(), NOMINAL)

    def apply(
        self, regime: Regime, epoch: int = 0, times: int = 1, nominal: dict[str, float] = NOMINAL
    ) -> RunData:
        self.data.clear()
        optimizers.set_nominal_hyperparameters(self.optimizer, nominal)
        for _ in range(times):
            regime.apply(epoch, self.model, self.data, self.optimizer)
        return self.data

    @property
    def effective(self) -> dict[str, float]:
        return optimizers.effective_hyperparameters(self.optimizer)

    def state(self) -> dict[str, Any]:
        state = {**self.data.get_state(), **self.effective}
        state["pools"] = {name: pool.tolist() for name, pool in self.data.pools.items()}
        del state["relabelling"], state["train_labels"]
        state["labels"] = {name: self.data.labels(name).tolist() for name in SPLITS}
        return state


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"trigger": 3}, [0, 0, 0, 0.8, 0.8, 0.8, 0.8, 0.8]),
        ({"trigger": 0}, [0.8] * 8),
        ({"trigger": 3, "profile": "gradual", "duration": 4}, [0, 0, 0, 0.2, 0.4, 0.6, 0.8, 0.8]),
        ({"trigger": 1, "profile": "recurring", "period": 2}, [0, 0.8, 0.8, 0, 0, 0.8, 0.8, 0]),
    ],
)
def test_strength_follows_the_profile_and_the_twin_has_none(arguments, expected):
    regime = DataShift(num_epochs=8, severity=0.8, **arguments)
    assert [regime.strength(epoch) for epoch in range(8)] == pytest.approx(expected)
    assert regime.shock_epoch == arguments["trigger"]
    twin = regime.switched_off()
    assert [twin.strength(epoch) for epoch in range(8)] == [0] * 8
    assert twin.shock_epoch is None
    assert {**vars(twin), "active": True} == vars(regime)


@pytest.mark.parametrize(
    ("trigger", "num_epochs", "epoch"),
    [(0, 30, 0), (29, 30, 29), (0.5, 30, 15), (0.5, 7, 3), (0.01, 30, 0), (0.29, 100, 29)],
)
def test_a_trigger_is_an_epoch_or_a_share_of_the_budget(trigger, num_epochs, epoch):
    assert DataShift(trigger=trigger, num_epochs=num_epochs).shock_epoch == epoch


@pytest.mark.parametrize(
    ("name", "value"),
    [("trigger", trigger) for trigger in (-1, 30, 0.0, 1.0, 1.5, True, "half", float("nan"))]
    + [("severity", severity) for severity in (1.2, -0.1, float("nan"), "high", True)]
    + [("duration", 0), ("duration", 1.5), ("period", 0), ("period", 2.5), ("seed", -1)],
)
def test_an_invalid_value_is_refused_with_the_requirement(name, value):
    with pytest.raises(InvalidArgument, match=rf"{name} must be .*, got {value!r}"):
        DataShift(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "near"),
    [("kind", "label_nois", "label_noise"), ("profile", "abrut", "abrupt")],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name, value, near):
    with pytest.raises(InvalidArgument, match=f"{value}.*did you mean '{near}'"):
        DataShift(**{name: value})


def test_the_first_kind_and_its_severity_are_the_defaults():
    regime = DataShift()
    assert (regime.kind, regime.severity) == ("relabelling", 1.0)
    assert DataShift(severity=0.0).shock_epoch is None


@pytest.mark.parametrize(("regime", "kind"), EVERY_KIND)
def test_apply_is_idempotent_never_cumulative_and_writes_to_no_shared_data(regime, kind, digits):
    ramp = regime(trigger=1, kind=kind, profile="gradual", duration=3, num_epochs=6)
    clean = [(digits.split(n).inputs.clone(), digits.split(n).labels.clone()) for n in SPLITS]
    walked, jumped = Applied(digits), Applied(digits)
    for epoch in range(6):
        walked.apply(ramp, epoch, times=3).inputs("train")
    jumped.apply(ramp, 5)
    assert walked.state() == jumped.state()
    for name, (inputs, labels) in zip(SPLITS, clean, strict=True):
        assert torch.equal(digits.split(name).inputs, inputs)
        assert torch.equal(digits.split(name).labels, labels)


@pytest.mark.parametrize(("regime", "kind"), EVERY_KIND)
def test_a_run_is_clean_again_when_a_recurring_regime_pauses(regime, kind, digits):
    waves = regime(trigger=1, kind=kind, profile="recurring", period=2, num_epochs=8)
    run, before = Applied(digits), Applied(digits)
    before.apply(waves, 0)
    for epoch in range(4):
        run.apply(waves, epoch)
    assert run.state() == before.state()
    if regime is not CurriculumShift:
        assert run.state() == Applied(digits).state()


@pytest.fixture(scope="module")
def many_labels() -> Dataset:
    split = Split(torch.zeros(20_000, 1, 4, 4), torch.arange(20_000) % 10)
    return Dataset(split, split, split, num_classes=10)


def noisy_labels(severity: float, dataset: Dataset, seed: int = 0) -> Tensor:
    regime = DataShift(trigger=0, kind="label_noise", severity=severity, seed=seed)
    return Applied(dataset).apply(regime).labels("train")


@pytest.mark.parametrize("severity", [0.1, 0.4, 1.0])
def test_label_noise_replaces_the_given_share_evenly_by_other_classes(severity, many_labels):
    noisy = noisy_labels(severity, many_labels)
    offsets = torch.bincount((noisy - many_labels.train.labels) % 10, minlength=10)
    expected = torch.tensor([20_000 * (1 - severity)] + [20_000 * severity / 9] * 9)
    # Five standard errors of binomial counts.
    assert bool(((offsets - expected).abs() <= 5 * expected.sqrt()).all())
    assert 0 <= noisy.min() <= noisy.max() <= 9


def test_label_noise_is_nested_in_severity_and_drawn_by_the_seed(many_labels):
    weak, strong = noisy_labels(0.2, many_labels), noisy_labels(0.5, many_labels)
    flipped = weak != many_labels.train.labels
    assert torch.equal(strong[flipped], weak[flipped])
    assert torch.equal(weak, noisy_labels(0.2, many_labels))
    assert not torch.equal(weak, noisy_labels(0.2, many_labels, seed=1))


def test_label_noise_leaves_validation_and_test_clean(many_labels):
    data = Applied(many_labels).apply(DataShift(trigger=0, kind="label_noise", severity=1.0))
    for name in ("validation", "test"):
        assert data.labels(name) is many_labels.split(name).labels
        assert data.inputs(name) is many_labels.split(name).inputs


@pytest.mark.parametrize(
    ("kind", "severity", "shift"),
    [
        ("contrast", 0.25, lambda inputs: 0.75 * inputs),
        ("contrast", 1.0, lambda inputs: -inputs),
        ("rotation", 1.0, lambda inputs: torch.rot90(inputs, dims=(-2, -1))),
    ],
)
def test_contrast_and_rotation_shift_the_inputs_of_every_split(kind, severity, shift, digits):
    data = Applied(digits).apply(DataShift(trigger=0, kind=kind, severity=severity))
    for name in SPLITS:
        expected = shift(digits.split(name).inputs)
        torch.testing.assert_close(data.inputs(name), expected, rtol=0, atol=1e-4)


def test_rotation_by_90_degrees_is_a_quarter_turn_of_square_images_and_keeps_any_shape():
    draws = torch.Generator().manual_seed(0)
    square, oblong = (torch.randn(5, 3, 7, w, generator=draws) for w in (7, 12))
    turned = torch.rot90(square, dims=(-2, -1))
    torch.testing.assert_close(Rotation(90.0)(square, "train"), turned, rtol=0, atol=1e-4)
    assert Rotation(30.0)(oblong, "train").shape == oblong.shape
    torch.testing.assert_close(Rotation(0.0)(oblong, "train"), oblong, rtol=0, atol=1e-4)


def added_noise(severity: float, split: str, dataset: Dataset, seed: int = 0) -> Tensor:
    regime = DataShift(trigger=0, kind="gaussian_noise", severity=severity, seed=seed)
    return Applied(dataset).apply(regime).inputs(split) - dataset.split(split).inputs


def test_gaussian_noise_is_twice_the_strength_and_the_same_rescaled(many_labels):
    weak, strong = (added_noise(s, "train", many_labels) for s in (0.2, 0.4))
    # 320,000 pixels: the relative standard error of the deviation is 0.13 %.
    assert weak.std().item() == pytest.approx(0.4, rel=0.01)
    assert weak.mean().item() == pytest.approx(0, abs=0.004)
    torch.testing.assert_close(strong, 2 * weak)


def test_gaussian_noise_differs_between_samples_splits_and_seeds(digits):
    noise = added_noise(0.2, "train", digits)
    others = (
        noise.roll(1, dims=0),
        added_noise(0.2, "validation", digits)[: len(noise)],
        added_noise(0.2, "train", digits, seed=1),
    )
    for other in others:
        assert abs(np.corrcoef(noise.flatten(), other.flatten())[0, 1]) < 0.06


@pytest.mark.parametrize(
    ("severity", "visible"), [(0.5, 5), (0.7, 3), (0.25, 8), (1.0, 2), (0, 10)]
)
def test_classes_shows_the_first_ones_before_the_trigger_and_all_after(severity, visible, digits):
    regime, run = CurriculumShift(trigger=2, severity=severity), Applied(digits)
    for split in SPLITS:
        labels = digits.split(split).labels
        pool = run.apply(regime, 1).pools.get(split, torch.arange(len(labels)))
        assert pool.tolist() == [i for i, label in enumerate(labels) if label < visible]
    assert run.apply(regime, 2).pools == {}


@pytest.mark.parametrize(("severity", "count"), [(0.5, 5), (0.7, 3), (0.25, 8), (1.0, 1)])
def test_difficulty_draws_the_samples_nearest_to_their_class_mean(severity, count):
    # Two classes of ten samples each, 0, 1, 4 .. 81 with mean 28.5 and the same below zero.
    squares = torch.arange(10.0) ** 2
    split = Split(torch.cat([squares, -squares]).view(-1, 1, 1, 1), torch.arange(20) // 10)
    regime = CurriculumShift(trigger=2, kind="difficulty", severity=severity)
    run = Applied(Dataset(split, split, split, num_classes=2))
    easiest = sorted(range(10), key=lambda i: abs(i * i - 28.5))[:count]
    pools = run.apply(regime, 1).pools
    assert list(pools) == ["train"]
    assert sorted(pools["train"].tolist()) == sorted([*easiest, *(10 + i for i in easiest)])
    assert run.apply(regime, 2).pools == {}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(
    ("kind", "severity", "nominal", "effective"),
    [
        ("weight_decay", 0.75, 1e-4, 0.1),
        ("learning_rate", 0.5, 0.02, 0.02 * 10**0.5),
        ("momentum", 0.5, 0.9, 1 - 0.1 / 10**0.5),
        ("momentum", 1.0, 0.9, 0.99),
        ("momentum", 1.0, 0.995, 0.999),
    ],
)
def test_the_effective_value_departs_and_the_nominal_one_stays(
    kind, severity, nominal, effective, optimizer, digits
):
    run, values = Applied(digits, optimizer), {**NOMINAL, kind: nominal}
    shift = OptimizerSensitivityShift(trigger=0, kind=kind, severity=severity)
    run.apply(shift, nominal=values)
    assert run.effective == pytest.approx({**values, kind: effective})
    assert optimizers.nominal_hyperparameters(run.optimizer) == values
    run.apply(Stationary())
    assert run.effective == NOMINAL


def test_rescaling_draws_a_direction_and_a_size_for_each_run(digits):
    run = Applied(digits)
    shift = OptimizerSensitivityShift(trigger=0, severity=0.5)
    decades = []
    for seed in range(400):
        run.apply(shift.sample(seed))
        decades.append(np.log10(run.effective["learning_rate"] / NOMINAL["learning_rate"]))
        assert optimizers.nominal_hyperparameters(run.optimizer) == NOMINAL
    down, up = ([d for d in decades if (d > 0) == above] for above in (False, True))
    assert -1 <= min(down) < -0.95
    assert -0.55 < max(down) <= -0.5
    assert 0.125 <= min(up) < 0.135
    assert 0.24 < max(up) <= 0.25
    # Five standard deviations of the binomial count.
    assert abs(len(up) - 200) < 50


@pytest.mark.parametrize(
    ("kind", "nominal", "effective"),
    [
        ("weight_decay", 1e-4, 1e-1),
        ("learning_rate", 0.02, 0.02 * 10**0.75),
        ("momentum", 0.5, 1 - 0.5 * 10**-0.75),
    ],
)
def test_a_shifted_optimizer_trains_as_if_the_effective_value_were_set(
    kind, nominal, effective, make_trainer
):
    trainer = make_trainer(num_runs=2)
    shifted, plain = {**NOMINAL, kind: nominal}, {**NOMINAL, kind: effective}
    shift = OptimizerSensitivityShift(trigger=0, kind=kind, severity=0.75)
    reset(trainer, 0, 0, shift, shifted)
    reset(trainer, 1, 0, Stationary(), plain)
    for _ in range(3):
        metrics = trainer.train([0, 1], rows([shifted, plain]))
    assert metrics.val_loss[0] == pytest.approx(metrics.val_loss[1], rel=1e-6)
    assert metrics.strength.tolist() == [0.75, 0.0]


@pytest.mark.parametrize(
    ("kind", "noises"),
    [
        ("both", ["observation_noise", "loss_noise"]),
        ("observed", ["observation_noise"]),
        ("training", ["loss_noise"]),
        ("gradient", ["gradient_noise"]),
    ],
)
def test_loss_perturbation_sets_its_noises_and_nothing_else(kind, noises, digits):
    run = Applied(digits)
    run.apply(LossPerturbation(trigger=0, kind=kind, severity=0.3))
    assert run.state() == {**Applied(digits).state(), **dict.fromkeys(noises, 0.3)}


@pytest.mark.parametrize("num_epochs", [8, 20, 30])
def test_mixture_splits_share_no_trigger(num_epochs):
    train, test = (
        {Mixture(split=split, num_epochs=num_epochs).sample(s).trigger for s in range(400)}
        for split in regimes.MIXTURE_SPLITS
    )
    assert train
    assert test
    assert train.isdisjoint(test)


def test_mixture_splits_share_no_severity_and_hold_kinds_out():
    train, test = (
        [Mixture(split=split).sample(s) for s in range(400)] for split in regimes.MIXTURE_SPLITS
    )
    every_kind = {kind for _, kind in EVERY_KIND}
    assert {r.kind for r in test} == every_kind
    assert {r.kind for r in train} == every_kind - regimes.HELD_OUT_KINDS
    assert regimes.HELD_OUT_KINDS
    for kind in every_kind - {"none"} - regimes.HELD_OUT_KINDS:
        low, high = ([r.severity for r in drawn if r.kind == kind] for drawn in (train, test))
        assert max(low) < min(high)
    for drawn in (train, test):
        assert {type(r) for r in drawn} == set(REGIMES)
        assert {r.profile for r in drawn} == set(regimes.PROFILES)
        assert all(r.kind in r.drawn_kinds for r in drawn if r.profile == "stream")


def test_mixture_draws_by_the_seed_and_its_twin_draws_the_same():
    mixture = Mixture(split="test")
    assert mixture.sample(7) == Mixture(split="test").sample(7)
    assert len({str(mixture.sample(seed)) for seed in range(50)}) == 50
    twin = Mixture(split="test", active=False).sample(7)
    assert twin == mixture.sample(7).switched_off()
    assert twin.shock_epoch is None


def test_mixture_of_one_kind_draws_the_rest():
    drawn = [Mixture(kind="label_noise").sample(s) for s in range(100)]
    assert {type(r) for r in drawn} == {DataShift}
    assert {r.kind for r in drawn} == {"label_noise"}
    assert {r.profile for r in drawn} == set(regimes.PROFILES)
    assert len({(r.trigger, r.severity) for r in drawn}) == 100
    assert Mixture(split="test", kind="momentum").sample(0).kind == "momentum"


def test_mixture_names_the_nearest_split():
    with pytest.raises(InvalidArgument, match="did you mean 'train'"):
        Mixture(split="trian")


def test_a_pair_of_shares_is_drawn_from_by_the_seed():
    regime = DataShift(trigger=(0.2, 0.5), num_epochs=30)
    onsets = [regime.sample(seed).onset for seed in range(300)]
    assert set(onsets) == set(range(6, 15))
    counts = np.bincount(onsets)[6:]
    assert counts.min() > 15
    for seed in range(5):
        one = regime.sample(seed)
        assert one.shock_epoch == one.describe()["trigger"] == one.onset == onsets[seed]
        assert one.switched_off().onset == one.onset
        assert one.trigger == (0.2, 0.5)
        assert one == regime.sample(7).sample(seed)


def test_a_drawn_trigger_leaves_all_other_draws_alone(many_labels):
    drawn = DataShift(trigger=(0.2, 0.5), kind="label_noise", severity=0.4, seed=3)
    labels = Applied(many_labels).apply(drawn, drawn.onset).labels("train")
    assert torch.equal(labels, noisy_labels(0.4, many_labels, seed=3))


@pytest.mark.parametrize("pair", [(0.5,), (0.5, 0.5), (0.6, 0.2), (-0.1, 0.5), (0.2, 2), ("a", 1)])
def test_a_pair_that_is_no_range_of_shares_is_refused(pair):
    with pytest.raises(InvalidArgument, match=r"trigger as a pair must be .*, got \("):
        DataShift(trigger=pair)
