"""`atn-gym record` writes what Minari's own collector would have recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import atn_gym  # noqa: F401
from atn_gym.cli import main

minari = pytest.importorskip("minari", reason="Minari is not installed")
pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("default")]

ID = "atn_gym/DigitsCnn-Mixture-v0"
SHORT = "{num_epochs: 3, train_size: 128}"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


def record(controller: str, dataset: str, *further: str) -> int:
    short = ["--env-arguments", SHORT, "--seeds", "2", "--dataset", dataset]
    return main(["record", controller, ID, *short, *further])


def flat(entry: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(entry, dict):
        return {prefix: entry}
    return {k: v for name in entry for k, v in flat(entry[name], f"{prefix}/{name}").items()}


def test_a_data_set_is_that_of_the_collector(tmp_path: Path, capsys: Any) -> None:
    assert record("fixed", "atn_gym/fixed-v0") == 0
    assert str(tmp_path / "atn_gym" / "fixed-v0") in capsys.readouterr().out
    env = gymnasium.make(ID, num_epochs=3, train_size=128)  # type: ignore[call-arg]
    collector = minari.DataCollector(env, record_infos=True)
    for seed in range(2):
        collector.reset(seed=seed)
        ended = False
        while not ended:
            *_, ended, _, _ = collector.step(np.zeros(3, np.float32))
    expected = collector.create_dataset("atn_gym/expected-v0")
    found = minari.load_dataset("atn_gym/fixed-v0")
    assert found.total_steps == expected.total_steps == 6
    for one, other in zip(found.iterate_episodes(), expected.iterate_episodes(), strict=True):
        for part in ("observations", "actions", "rewards", "terminations", "truncations", "infos"):
            ours, theirs = flat(getattr(one, part)), flat(getattr(other, part))
            assert ours.keys() == theirs.keys()
            for name, values in theirs.items():
                np.testing.assert_array_equal(ours[name], values)
    assert found.recover_environment().spec.kwargs["num_epochs"] == 3


@pytest.mark.parametrize(
    ("controller", "arguments"),
    [("agent", "{path: ppo_digits}"), ("reactive_oracle", "{}"), ("heuristic", "{}")],
)
def test_controllers_of_every_kind_are_recorded(controller: str, arguments: str) -> None:
    assert record(controller, "atn_gym/any-v0", "--controller-arguments", arguments) == 0
    actions = [e.actions for e in minari.load_dataset("atn_gym/any-v0").iterate_episodes()]
    assert [a.shape for a in actions] == [(3, 3), (3, 3)]
    assert np.any(actions[0] != 0) or controller == "heuristic"


@pytest.mark.parametrize(
    ("controller", "dataset", "further", "says"),
    [
        ("fixed", "atn_gym fixed", [], "an id such as atn_gym/heuristic-v0, got 'atn_gym fixed'"),
        ("fxed", "atn_gym/any-v0", [], "unknown controller 'fxed'; "),
        (
            "fixed",
            "atn_gym/any-v0",
            ["--controller-arguments", "3"],
            "--controller-arguments must be a",
        ),
        ("fixed", "atn_gym/any-v0", ["--controller-arguments", "{a: 1}"], "no argument 'a'"),
    ],
)
def test_errors_are_one_sentence(
    controller: str, dataset: str, further: list[str], says: str, capsys: Any
) -> None:
    assert record(controller, dataset, *further) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not minari.list_local_datasets()


def test_a_data_set_is_never_written_over(capsys: Any) -> None:
    assert record("fixed", "atn_gym/once-v0") == 0
    assert record("fixed", "atn_gym/once-v0") == 2
    assert "choose a higher version" in capsys.readouterr().err
