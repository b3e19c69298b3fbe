"""How results were made, and what is missing from them."""

import pytest
from made_up_runs import ENV, OTHER, add, cells, tables, trace

from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage.sealing import seal
from atn_gym.eval.storage.store import ResultStore


def test_the_budget_of_a_run_is_a_whole_one_if_all_diverged(root):
    for seed, epochs in enumerate([2, 4]):
        rows = [{**row, "diverged": row["epoch"] == epochs} for row in trace(epochs)]
        lost = {"diverged": True, "run_flops": epochs * 10**8, "flops": epochs * 10**8}
        add(root, "fixed", seed, rows=rows, **lost)
    found = tables(root)
    budget = cells(found["Tasks, regimes and compute budget of one run"], ENV["id"])
    assert (budget["gradient steps"], budget["GFLOP"]) == ("170", "1.00")
    compute = cells(found["Charged in the run, means per run over all envs"], "fixed")
    assert compute["flops (whole runs)"] == "0.30"


def test_setting_names_regime_budget_and_arguments(root):
    add(root, "mine", arguments={"gain": 0.5})
    found = tables(root)
    env = cells(found["Tasks, regimes and compute budget of one run"], ENV["id"])
    assert (env["kind"], env["severity"], env["shock after epoch"]) == ("label_noise", "0.4", "5")
    assert (env["epochs"], env["gradient steps"], env["GFLOP"]) == ("10", "170", "1.00")
    assert cells(found["Controllers"], "mine")["arguments"] == "gain 0.5"


def test_versions_and_machine_are_those_of_the_manifest(root):
    add(root)
    manifest = {"atn_gym": "0.1.0", "packages": {"numpy": "2.0"}, "git_commit": None, "seeds": [0]}
    ResultStore(root).write_manifest(manifest)
    facts = tables(root)["Seeds, versions and machine"]
    assert cells(facts, "packages")["value"] == "numpy 2.0"
    assert cells(facts, "commit")["value"] == "unknown"
    (root / "manifest.json").write_text("[")
    assert "versions and machine are unknown" in tables(root)["Seeds, versions and machine"].note


def test_what_earlier_manifests_said_stands_beside_it(root):
    add(root)
    for commit, workers in (("a", 1), ("b", 1), ("b", 2), ("c", 2)):
        ResultStore(root).write_manifest({"git_commit": commit, "workers": workers, "seeds": [0]})
    facts = tables(root)["Seeds, versions and machine"]
    assert cells(facts, "commit")["value"] == "c; earlier a; earlier b"
    assert cells(facts, "processes")["value"] == "2; earlier 1"
    (root / "manifest.json").write_text(seal({"workers": 1, "earlier": [3, {"workers": 3}]}))
    facts = tables(root)["Seeds, versions and machine"]
    assert cells(facts, "processes")["value"] == "1; earlier 3"


@pytest.mark.parametrize(
    ("version", "said"), [("0.2.0", "0.2.0 (1 run)"), (None, "unknown (1 run)")]
)
def test_mixed_versions_are_warned_of(root, version, said):
    add(root, seed=0)
    add(root, seed=1, version=version)
    write_report(root)
    page = (root / "report.html").read_text()
    assert f"runs of different versions of atn_gym: 0.1.0 (1 run), {said}" in page


def test_mixed_commits_are_warned_of(root):
    for seed, commit in enumerate(["abc", "abd", "abd", None]):
        add(root, seed=seed, commit=commit)
    write_report(root)
    page = (root / "report.html").read_text()
    assert "different commits of atn_gym: abc (1 run), abd (2 runs), unknown (1 run)" in page


def test_runs_without_a_commit_are_unknown_and_not_warned_of(root):
    for seed, commit in enumerate(["abc", None]):
        add(root, seed=seed, commit=commit)
    write_report(root)
    page = (root / "report.html").read_text()
    assert "abc (1 run), unknown (1 run)" in page
    assert "different commits" not in page


def test_one_version_is_not_warned_of(known):
    write_report(known)
    assert "different versions" not in (known / "report.html").read_text()


def test_arguments_that_are_not_given_are_not_told(root):
    add(root, env={**ENV, "split": None, "train_size": None})
    add(root, env={**OTHER, "split": "test", "train_size": None})
    write_report(root)
    assert "split test" in (root / "report.md").read_text()
    assert "null" not in (root / "report.md").read_text()


def test_missing_runs_are_named(known):
    add(known, "mine", 0, env=OTHER)
    write_report(known)
    text = (known / "report.md").read_text()
    assert "- DigitsCnn-Stationary, seed 1, 2, 3: mine\n" in text
    assert "- DigitsCnn-Stationary, all seeds: fixed, lookahead\\_oracle\n" in text
    assert "leave out envs DigitsCnn-Stationary" in text


def test_runs_without_any_in_common_still_make_a_report(root):
    add(root, "fixed", 0)
    add(root, "mine", 1, env=OTHER)
    write_report(root)
    text = (root / "report.md").read_text()
    assert "- DigitsCnn-Stationary, all seeds: fixed\n" in text
    assert "They leave out" in text
