"""The check scores as the harness does, and the tables show what is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import atn_gym
from atn_gym.eval.storage.store import ResultStore
from atn_gym.leaderboard import protocol, table
from atn_gym.leaderboard.check import check
from atn_gym.leaderboard.submission import Submission, read_submission

ROOT = Path(__file__).parents[2]
ENTRIES = ROOT / "leaderboard" / "entries"
SALT = "a salt of tests"


def test_seeds_follow_from_the_salt_only():
    seeds = protocol.salted_seeds(SALT, 60)
    assert seeds[:5] == protocol.salted_seeds(f" {SALT}\n", 5)
    assert len(set(seeds)) == 60
    assert min(seeds) >= 10_000
    assert not set(seeds) & set(protocol.salted_seeds("another salt", 60))
    assert protocol.salt_digest(SALT) not in (SALT, protocol.salt_digest("another salt"))


@pytest.mark.slow
def test_an_entry_is_what_evaluate_finds(tmp_path, monkeypatch):
    env = "atn_gym/NoisyQuadratic-Stationary-v0"
    monkeypatch.setattr("atn_gym.leaderboard.check.BLIND", "cosine")
    monkeypatch.setattr("atn_gym.leaderboard.check.scale", lambda: {env: 0.5})
    said = []
    mine = Submission(name="mine", method="heuristic", authors="me", about="A rule.")
    store = ResultStore(tmp_path / "leaderboard")
    entry = check(mine, store, SALT, envs=(env,), say=said.append)
    seeds = protocol.salted_seeds(SALT, entry["seeds"])
    found = {
        name: atn_gym.evaluate(name, env, seeds=seeds, twins=False)
        for name in ("heuristic", "cosine", protocol.BASELINE)
    }
    performance = {name: e.mean("anytime_performance") for name, e in found.items()}
    assert entry["anytime_performance"][0] == pytest.approx(performance["heuristic"], abs=1e-4)
    gain = performance["heuristic"] - performance["cosine"]
    assert entry["adaptation_score"][0] == pytest.approx(gain / 0.5, abs=1e-3)
    for other in ("cosine", protocol.BASELINE):
        expected = performance["heuristic"] - performance[other]
        assert entry["against"][other]["difference"][0] == pytest.approx(expected, abs=1e-4)
    assert [c.second for c in said[:2]] == ["cosine", protocol.BASELINE]
    last = [str(c.verdict) for c in said[-2:]]
    assert entry["seeds"] == protocol.MOST_SEEDS or "undecided" not in last
    assert entry["seeds"] == protocol.FIRST_SEEDS + protocol.BATCH * (len(said) // 2 - 1)


def test_every_submission_of_the_repository_may_be_scored():
    files = sorted((ROOT / "leaderboard").glob("*.yaml"))
    assert len(files) >= 5
    assert [read_submission(file).name for file in files] == [file.stem for file in files]


def test_the_pages_show_the_stored_entries():
    entries = table.read_entries(ENTRIES)
    for file, shown in (("docs/leaderboard.md", table.whole), ("README.md", table.top)):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert text == table.between_marks(text, shown(entries)), (
            f"{file} is out of date: run atn-gym leaderboard table"
        )


def test_stored_entries_are_of_the_protocol_and_of_a_submission():
    entries = table.read_entries(ENTRIES)
    performance = [entry["anytime_performance"][0] for entry in entries]
    assert performance == sorted(performance, reverse=True)
    assert {e["name"] for e in entries} >= {"fixed", "blind", "range_test"}
    assert len({entry["salt_digest"] for entry in entries}) == 1
    for entry in entries:
        submission = read_submission(ROOT / "leaderboard" / f"{entry['name']}.yaml")
        assert submission.model_dump() == {k: entry[k] for k in submission.model_dump()}
        assert tuple(entry["envs"]) == protocol.ENVS
        count, runs = entry["collapsed"]
        assert runs == entry["seeds"] * len(protocol.ENVS)
        assert entry["collapse_rate"][0] == pytest.approx(count / runs, abs=1e-4)
        verdicts = [against["verdict"] for against in entry["against"].values()]
        assert "undecided" not in verdicts or entry["seeds"] > entry["at_most"] - protocol.BATCH


def test_the_page_states_the_protocol():
    text = (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    assert f"{protocol.FIRST_SEEDS} seeds at first, {protocol.BATCH} more" in text
    assert f"{protocol.MOST_SEEDS} at most" in text
    assert np.mean(list(protocol.scale().values())) > 0.1
