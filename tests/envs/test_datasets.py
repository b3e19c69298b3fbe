from __future__ import annotations

import importlib.metadata
import struct
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_digits as sklearn_digits
from torch import Tensor
from trainers import reset, rows

from atn_gym.envs.data import (
    SPLITS,
    Dataset,
    Split,
    data_directory,
    dataset,
    load_dataset,
    load_digits,
    load_fashion_mnist,
    load_mnist,
    loading,
)
from atn_gym.envs.data.image_files import read_image_files
from atn_gym.envs.episodes.trainer import Trainer
from atn_gym.envs.regimes import DataShift
from atn_gym.envs.tasks import DIGITS_CNN
from atn_gym.errors import DataUnavailable, DependencyUnavailable, InvalidArgument


@pytest.fixture(scope="module")
def all_digits() -> Dataset:
    return load_dataset(load_digits)


def write_idx(folder: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Writes images (N, H, W) and labels (N,) in the IDX format of the original files."""
    folder.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">iiii", 0x0803, *images.shape)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.astype(">u1").tobytes())
    header = struct.pack(">ii", 0x0801, len(labels))
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.astype(">u1").tobytes())


@pytest.fixture
def tiny_fashion(tmp_path: Path) -> Path:
    """A folder with 20 training and 5 test images of 4x4 pixels, whose labels index them."""
    draws = np.random.default_rng(0)
    for part, count in (("train", 20), ("t10k", 5)):
        images = draws.integers(0, 256, (count, 4, 4))
        images[:, 0, 0] = np.arange(count)
        write_idx(tmp_path / "FashionMNIST" / "raw", part, images, np.arange(count) % 10)
    return tmp_path


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", fail)


def test_digits_splits_have_the_documented_sizes(all_digits):
    assert [len(all_digits.split(name)) for name in SPLITS] == [1150, 323, 324]
    assert all_digits.input_shape == (1, 8, 8)
    assert all_digits.num_classes == 10
    for name in SPLITS:
        split = all_digits.split(name)
        assert (split.inputs.dtype, split.labels.dtype) == (torch.float32, torch.int64)


def test_digits_splits_hold_every_sample_of_the_source_exactly_once(all_digits):
    inputs = torch.cat([all_digits.split(name).inputs for name in SPLITS]).flatten(1)
    labels = torch.cat([all_digits.split(name).labels for name in SPLITS])
    low, high = inputs.min(), inputs.max()
    pixels = ((inputs - low) / (high - low) * 16).round()
    ours = sorted(map(tuple, torch.column_stack([pixels, labels]).tolist()))
    images, targets = sklearn_digits(return_X_y=True)
    assert ours == sorted(map(tuple, np.column_stack([images, targets]).tolist()))


def test_digits_splits_are_stratified(all_digits):
    _, targets = sklearn_digits(return_X_y=True)
    shares = np.bincount(targets) / len(targets)
    for name in SPLITS:
        counts = np.bincount(all_digits.split(name).labels, minlength=10)
        assert np.abs(counts - shares * counts.sum()).max() <= 1


def test_inputs_are_standardised_by_the_training_split_alone(all_digits):
    train = all_digits.train.inputs.double()
    assert train.mean().item() == pytest.approx(0, abs=1e-6)
    assert train.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    blank = train.min()
    assert all(all_digits.split(name).inputs.min() == blank for name in SPLITS)


def test_digits_are_the_same_in_every_load():
    first, second = load_digits(), load_digits()
    assert first is not second
    for name in SPLITS:
        assert torch.equal(first.split(name).inputs, second.split(name).inputs)
        assert torch.equal(first.split(name).labels, second.split(name).labels)


def test_a_data_set_is_loaded_once_and_shared():
    assert load_dataset(load_digits) is load_dataset(load_digits)
    small, other = (load_dataset(load_digits, train_size=n) for n in (64, 128))
    assert small.validation is other.validation is load_dataset(load_digits).validation


INPUTS, LABELS = torch.zeros(3, 1, 4, 4), torch.arange(3)


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (INPUTS, LABELS.int(), r"labels .* torch.int64 .* axes N, got torch.int32 of \(3,\)"),
        (INPUTS, LABELS[:, None], r"labels .* got torch.int64 of \(3, 1\)"),
        (INPUTS.double(), LABELS, r"inputs .* torch.float32 .* N, C, H, W, got torch.float64"),
        (INPUTS[:, 0], LABELS, r"inputs .* got torch.float32 of \(3, 4, 4\)"),
        (INPUTS.numpy(), LABELS, "inputs .* got array"),
        (INPUTS[:2], LABELS, "a label for each, got 2 samples and 3 labels"),
        (INPUTS[:0], LABELS[:0], "at least one sample, .* got 0 samples and 0 labels"),
    ],
)
def test_a_split_that_could_not_be_trained_on_is_refused(inputs, labels, message):
    with pytest.raises(InvalidArgument, match=message):
        Split(inputs, labels)


def test_splits_that_do_not_fit_together_are_refused():
    split, wide = Split(INPUTS, LABELS), Split(torch.zeros(3, 1, 4, 5), LABELS)
    with pytest.raises(InvalidArgument, match="2 classes must be from 0 to 1, got 0 to 2 in the t"):
        Dataset(split, split, split, 2)
    with pytest.raises(InvalidArgument, match=r"\(1, 4, 4\) .* \(1, 4, 5\) in the validation"):
        Dataset(split, wide, split, 3)
    with pytest.raises(InvalidArgument, match=r"num_classes must be an integer >= 1, got 2\.5"):
        Dataset(split, split, split, 2.5)
    with pytest.raises(InvalidArgument, match="must return a Dataset, got 3"):
        load_dataset(lambda _: 3)


def test_training_under_every_shift_leaves_the_shared_data_as_it_was():
    hyperparameters = dict(DIGITS_CNN.initial[0])
    data = load_dataset(load_digits, train_size=64)
    before = {n: (data.split(n).inputs.clone(), data.split(n).labels.clone()) for n in SPLITS}
    trainer = Trainer(replace(DIGITS_CNN, batch_size=32), data, len(DataShift.kinds))
    for run, kind in enumerate(DataShift.kinds):
        reset(trainer, run, 0, DataShift(trigger=0, kind=kind), hyperparameters)
    trainer.train(range(len(DataShift.kinds)), rows([hyperparameters] * len(DataShift.kinds)))
    for name, (inputs, labels) in before.items():
        assert torch.equal(data.split(name).inputs, inputs)
        assert torch.equal(data.split(name).labels, labels)


def test_train_size_keeps_the_first_samples_and_all_of_the_other_splits(all_digits):
    small = load_dataset(load_digits, train_size=100)
    assert torch.equal(small.train.inputs, all_digits.train.inputs[:100])
    assert torch.equal(small.train.labels, all_digits.train.labels[:100])
    assert len(small.validation) == 323


@pytest.mark.parametrize("size", [0, -1, 1151])
def test_a_train_size_beyond_the_data_is_refused(size):
    with pytest.raises(InvalidArgument, match=f"between 1 and the 1150 .*got {size}"):
        load_dataset(load_digits, train_size=size)


def test_fashion_is_read_split_and_standardised(tiny_fashion, monkeypatch):
    monkeypatch.setattr(loading, "_VALIDATION_IMAGES", 6)
    data = load_fashion_mnist(tiny_fashion)
    assert [len(data.split(name)) for name in SPLITS] == [14, 6, 5]
    assert (data.input_shape, data.num_classes) == ((1, 4, 4), 10)
    assert data.train.inputs.mean().item() == pytest.approx(0, abs=1e-6)
    assert data.train.inputs.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    # The first pixel of an image is its place in the file, so it gives its label too.
    first = torch.cat([data.train.inputs, data.validation.inputs])[:, 0, 0, 0]
    places = first.argsort().argsort()
    assert sorted(places.tolist()) == list(range(20))
    labels = torch.cat([data.train.labels, data.validation.labels])
    assert torch.equal(labels, places % 10)
    assert data.test.labels.tolist() == [0, 1, 2, 3, 4]


def test_too_few_images_to_hold_a_validation_split_are_refused(tiny_fashion):
    with pytest.raises(DataUnavailable, match=r"more than 6000 training images, got 20") as caught:
        load_fashion_mnist(tiny_fashion)
    assert str(tiny_fashion / "FashionMNIST" / "raw") in str(caught.value)


def test_image_files_are_read_as_torchvision_reads_them(tiny_fashion):
    found = read_image_files("FashionMNIST", tiny_fashion, advice="")
    for (images, labels), train in zip(found, (True, False), strict=True):
        expected = torchvision.datasets.FashionMNIST(tiny_fashion, train)
        assert torch.equal(images, expected.data)
        assert torch.equal(labels, expected.targets)
        assert (images.dtype, labels.dtype) == (expected.data.dtype, expected.targets.dtype)


def test_files_that_are_there_are_read_without_torchvision(tiny_fashion, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert len(read_image_files("FashionMNIST", tiny_fashion, advice="")) == 2


def test_a_label_too_few_is_reported_as_unavailable_data(tiny_fashion):
    raw = tiny_fashion / "FashionMNIST" / "raw"
    write_idx(raw, "train", np.zeros((20, 4, 4)), np.zeros(19))
    with pytest.raises(DataUnavailable, match=r"holds 20 images, but .*labels.* 19"):
        load_fashion_mnist(tiny_fashion)


def test_files_of_another_format_are_reported_as_unavailable_data(tiny_fashion):
    raw = tiny_fashion / "FashionMNIST" / "raw"
    (raw / "t10k-images-idx3-ubyte").write_bytes((raw / "t10k-labels-idx1-ubyte").read_bytes())
    with pytest.raises(DataUnavailable, match="not an IDX file of 3-dimensional bytes"):
        load_fashion_mnist(tiny_fashion)


@pytest.mark.parametrize("kept", [0, 3, 100])
def test_a_truncated_file_is_reported_as_unavailable_data(tiny_fashion, kept):
    images = tiny_fashion / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:kept])
    with pytest.raises(DataUnavailable, match="FashionMNIST"):
        load_fashion_mnist(tiny_fashion)


@pytest.mark.parametrize(
    ("loader", "name"), [(load_mnist, "MNIST"), (load_fashion_mnist, "FashionMNIST")]
)
def test_without_files_and_network_the_error_names_folder_variable_and_digits(
    loader, name, tmp_path
):
    with pytest.raises(DataUnavailable) as caught:
        load_dataset(loader, str(tmp_path))
    for part in (str(tmp_path / name / "raw"), "ATN_GYM_DATA", "Digits"):
        assert part in str(caught.value)
    assert "no route to host" in str(caught.value.__cause__)


def test_a_torchvision_that_does_not_import_is_reported_with_both_versions(tmp_path, monkeypatch):
    package = tmp_path / "torchvision"
    package.mkdir()
    error = "operator torchvision::nms does not exist"
    (package / "__init__.py").write_text(f"raise RuntimeError({error!r})\n")
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DependencyUnavailable) as caught:
        load_mnist(tmp_path)
    versions = [f"{n} {importlib.metadata.version(n)}" for n in ("torch", "torchvision")]
    for part in (*versions, error, "Digits"):
        assert part in str(caught.value)


def test_the_data_folder_is_the_argument_then_the_variable_then_a_user_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ATN_GYM_DATA", str(tmp_path / "variable"))
    assert data_directory(tmp_path / "argument") == tmp_path / "argument"
    assert data_directory() == tmp_path / "variable"
    monkeypatch.delenv("ATN_GYM_DATA")
    assert "atn_gym" in str(data_directory())


@dataclass(frozen=True)
class Shifted:
    by: float
    calls: list[str] = field(default_factory=list, compare=False)

    def __call__(self, inputs: Tensor, split: str) -> Tensor:
        self.calls.append(split)
        return inputs + self.by


def test_equal_transforms_share_one_result_which_is_dropped_when_room_is_needed(monkeypatch):
    data, calls = load_digits(), []
    first = data.transformed(Shifted(1.0, calls), "train")
    assert data.transformed(Shifted(1.0, calls), "train") is first
    assert torch.equal(first, data.train.inputs + 1)
    second = data.transformed(Shifted(2.0, calls), "train")
    assert len(data.transformed(Shifted(1.0, calls), "validation")) == 323
    assert calls == ["train", "train", "validation"]
    # The first is used last, so that it is the second that makes room for the third.
    monkeypatch.setattr(dataset, "KEPT_BYTES", 2 * first.nbytes)
    assert data.transformed(Shifted(1.0, calls), "train") is first
    data.transformed(Shifted(3.0, calls), "train")
    assert data.transformed(Shifted(1.0, calls), "train") is first
    again = data.transformed(Shifted(2.0, calls), "train")
    assert again is not second
    assert torch.equal(again, second)
    monkeypatch.setattr(dataset, "KEPT_BYTES", 0)
    data.transformed(Shifted(4.0, calls), "train")
    assert not dataset._kept._inputs
    assert dataset._kept.nbytes == 0


def test_easiest_first_ranks_samples_by_the_distance_to_their_class_mean():
    values = torch.tensor([0.0, 21.0, 3.0, 17.0, 2.75, 22.0, 2.25])
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 0])
    split = Split(values.view(-1, 1, 1, 1), labels)
    ranks = Dataset(split, split, split, num_classes=2).easiest_first
    # Class 0 has mean 2 and distances 2, 1, 0.75, 0.25; class 1 has mean 20 and 1, 3, 2.
    assert ranks[labels == 0].tolist() == [0.75, 0.5, 0.25, 0.0]
    assert ranks[labels == 1].tolist() == pytest.approx([0.0, 2 / 3, 1 / 3])


@pytest.mark.mnist
def test_mnist_has_the_documented_splits():
    data = load_mnist()
    assert [len(data.split(name)) for name in SPLITS] == [54_000, 6_000, 10_000]
    assert data.input_shape == (1, 28, 28)
    assert data.train.inputs.mean().item() == pytest.approx(0, abs=1e-5)
    assert data.train.inputs.std(correction=0).item() == pytest.approx(1, abs=1e-4)
