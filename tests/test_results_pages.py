"""The pages of results are written from a stored sweep, here a small one that was never run."""

import gymnasium
import numpy as np
import pytest
from page_makers import page_maker
from stored_runs import ENV, OTHER, add

POOR = {**OTHER, "id": "atn_gym/DigitsCnnPoorInit-Stationary-v0", "task": "DigitsCnnPoorInit"}
HIDDEN = {
    **ENV,
    "id": "atn_gym/DigitsCnnUnknownScale-DataShift-v0",
    "task": "DigitsCnnUnknownScale",
}
ENVS = (ENV, OTHER, POOR)
COMMIT = "0123456789abcdef0123456789abcdef01234567-dirty"
# Mean anytime performance on each env; seeds lie 0.1 below and above.
PERFORMANCE = {
    "fixed": (0.3, 0.5, 0.1),
    "blind": (0.4, 0.5, 0.2),
    "mine": (0.5, 0.6, 0.3),
    "worse": (0.1, 0.2, 0.0),
    "reactive_oracle": (0.6, 0.7, 0.8),
}


@pytest.fixture(scope="module")
def pages():
    return page_maker("make_results_pages")


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    for controller, means in PERFORMANCE.items():
        for env, mean in zip(ENVS, means, strict=True):
            for seed, offset in enumerate((-0.1, 0.1)):
                performance = {"anytime_performance": mean + offset, "collapsed": mean < 0.05}
                add(tmp_path / "sweep", controller, seed, env, commit=COMMIT, **performance)
    return tmp_path / "sweep"


def row(page, section, label):
    """Cells of a row, by heading, of the first table in a section that has the row."""
    _, _, text = page.partition(f"\n## {section}\n")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    found = next(cells for cells in lines if cells[0].strip("*").replace("\\", "") == label)
    headings = lines[0]
    return dict(zip(headings, found, strict=False))


def test_a_page_says_what_made_it_and_then_the_results_in_order(pages, sweep):
    page = pages.make_page("digits", sweep)
    assert "\npython docs/make_results_pages.py digits results/benchmark_digits\n" in page
    assert "commit 0123456789-dirty (30 runs)" in page
    assert "Seeds 0 to 1: 30 runs, by 5 controllers on 3 envs." in page
    sections = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert sections == [
        "All envs",
        "What was learned",
        "Each task",
        "Each env",
        "What a blind schedule gets",
        "What `fixed` gets",
    ]


def test_numbers_are_those_of_the_runs(pages, sweep):
    page = pages.make_page("digits", sweep)
    mine = row(page, "All envs", "mine")
    assert mine["anytime performance"].startswith("0.467 ")
    # Sums over three envs: (0.1 + 0.1 + 0.1) / (0.2 + 0.2 + 0.6).
    assert mine["adaptation score"].startswith("0.30 ")
    by_task = row(page, "Each task", "mine")
    assert by_task["DigitsCnn: adaptation score"].startswith("0.50 ")
    assert by_task["DigitsCnnPoorInit: adaptation score"].startswith("0.17 ")
    assert row(page, "Each env", "blind")["DataShift"].startswith("0.400 ")
    assert row(page, "All envs", "worse")["collapse rate (%)"].startswith("33.3 ")


def test_what_blind_and_fixed_get_is_set_beside_the_others(pages, sweep):
    page = pages.make_page("digits", sweep)
    _, _, blind = page.partition("## What a blind schedule gets")
    assert "anytime performance is 0.367. 1 of 2 other contenders is below it (`worse`)." in blind
    env = row(page, "What a blind schedule gets", "DigitsCnn-DataShift")
    assert env["best contender"].startswith("0.500 ")
    assert env["best contender"].endswith(" mine")
    assert env["reactive oracle"].startswith("0.600 ")
    _, _, fixed = page.partition("## What `fixed` gets")
    assert "1 of 2 other contenders is below it by more than chance explains (`worse`)" in fixed
    assert "1 above it (`mine`)." in fixed


def test_a_page_that_does_not_match_the_results_is_found(pages, sweep, tmp_path, capsys):
    page = tmp_path / "page.md"
    command = ["digits", str(sweep), "--out", str(page)]
    assert pages.main([*command, "--check"]) == 1
    assert pages.main(command) == 0
    assert pages.main([*command, "--check"]) == 0
    page.write_text(page.read_text().replace("0.467", "0.468"))
    assert pages.main([*command, "--check"]) == 1
    assert "does not match" in capsys.readouterr().out


def test_a_sweep_without_references_says_what_it_lacks(pages, sweep, tmp_path):
    for controller in ("mine", "worse"):
        for seed in range(2):
            add(tmp_path / "few", controller, seed)
    page = pages.make_page("mnist", tmp_path / "few")
    assert "The adaptation score is undefined without runs of blind and reactive" in page
    assert "The sweep has no runs of `blind`." in page
    assert "The sweep has no runs of `fixed`." in page


def test_seeds_that_are_left_out_are_named_as_a_range(pages, sweep):
    for seed in range(5, 9):
        add(sweep, "fixed", seed, ENV, anytime_performance=0.3)
    assert "Tables leave out" in pages.make_page("digits", sweep)
    assert " 5 to 8" in pages.make_page("digits", sweep)


def test_where_the_scale_is_hidden_runs_are_told_apart_by_the_gain_of_the_env(
    pages, tmp_path, monkeypatch
):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    env = gymnasium.make(HIDDEN["id"], train_size=64, engine="torch")
    halves = [env.reset(seed=seed)[1]["privileged"]["gain"] / 2 for seed in range(40)]
    for seed, half in enumerate(halves):
        add(tmp_path / "sweep", "mine", seed, HIDDEN, anytime_performance=half)
    page = pages.make_page("unknown_scale", tmp_path / "sweep")
    _, *cells = row(page, "By the hidden scale", "mine").values()
    part = np.digitize(halves, [-0.5, 0])
    assert [cell.partition(" ")[0].replace("\u2212", "-") for cell in cells] == [
        f"{np.array(halves)[part == chosen].mean():.3f}" for chosen in range(3)
    ]


def test_a_few_controllers_with_more_seeds_have_a_table_of_their_own(pages, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    for controller, seeds in {"mine": 80, "fixed": 80, "reactive_oracle": 20}.items():
        for seed in range(seeds):
            performance = 0.5 if seed < 20 else 0.1
            add(tmp_path / "sweep", controller, seed, anytime_performance=performance)
    page = pages.make_page("digits", tmp_path / "sweep")
    assert row(page, "All envs", "mine")["anytime performance"].startswith("0.500 ")
    assert row(page, "All envs", "reactive_oracle")
    assert row(page, "With more seeds", "mine")["anytime performance"].startswith("0.200 ")
    assert "not all of these seeds have been run: `reactive_oracle`." in page
