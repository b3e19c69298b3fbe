"""The page on the questions is written from stored sweeps: here small ones, never run."""

import json

import numpy as np
import pytest
from page_makers import page_maker
from stored_runs import ENV, add

HIDDEN = {
    **ENV,
    "id": "atn_gym/DigitsCnnUnknownScale-DataShift-v0",
    "task": "DigitsCnnUnknownScale",
}
OFFSETS = (-0.03, -0.01, 0.01, 0.03)


@pytest.fixture(scope="module")
def pages():
    return page_maker("make_questions_page")


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def store(folder, controller, mean, env=ENV, arguments=None, **summary):
    for seed, offset in enumerate(OFFSETS):
        performance = {"anytime_performance": mean + offset, "collapsed": False}
        add(folder, controller, seed, env, arguments=arguments, **performance | summary)


def rows(text, title):
    """Cells by heading of each row of a table, by the first cell."""
    _, _, rest = text.partition(f"\n### {title}\n")
    lines = [line.strip("| ").split(" | ") for line in rest.splitlines() if line.startswith("| ")]
    end = next((i for i, cells in enumerate(lines[2:], 2) if cells[0] == "controller"), None)
    found = {}
    for cells in lines[2:end]:
        found.setdefault(cells[0].strip("*").replace("\\", ""), cells)
    return {name: dict(zip(lines[0], cells, strict=True)) for name, cells in found.items()}


@pytest.fixture
def compute(tmp_path):
    folder = tmp_path / "compute"
    store(folder, "fixed", 0.0, making_runs=0)
    store(folder, "blind", 0.2, making_runs=1000)
    store(folder, "offline_bayesian", 0.2, making_runs=0, flops=3 * 10**9)
    store(folder, "heuristic", -0.2, making_runs=0)
    return folder


def test_what_a_search_finds_is_kept_for_all_runs(pages, compute):
    """(1.2 / 2) / (1 + 2 / N) = 1 / 2 at N = 10; with a making of 1000 runs at N = 5000."""
    text = pages.make_page("compute", compute)
    table = rows(text, "By the number N of runs, known scale")
    assert table["offline_bayesian"]["break-even N"] == "10"
    assert table["offline_bayesian"]["N = 1"].startswith("0.200 ")
    assert table["blind"]["break-even N"] == "5,000"
    assert "For a single run `fixed` is best" in text
    assert "`offline_bayesian` from 10 runs on; `blind` from 5,000 runs on" in text


def test_a_section_is_written_anew_and_the_others_stay(pages, compute, tmp_path, capsys):
    out = tmp_path / "docs"
    out.mkdir()
    page = out / "questions.md"
    page.write_text("# Old\n\n## Robustness\n\nKept.\n\n## Compute efficiency\n\nOld.\n\n## Odd\n")
    command = ["compute", str(compute), "--out", str(out)]
    assert pages.main([*command, "--check"]) == 1
    assert pages.main(command) == 0
    assert pages.main([*command, "--check"]) == 0
    text = page.read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Compute efficiency",
        "## Robustness",
    ]
    assert "Kept." in text
    assert "Old." not in text
    assert (out / "questions" / "compute.png").read_bytes()[:4] == b"\x89PNG"
    page.write_text(text.replace("0.200", "0.201"))
    assert pages.main([*command, "--check"]) == 1
    assert "write it again" in capsys.readouterr().out


def test_levels_of_a_knob_stand_beside_the_same_with_a_guard(pages, tmp_path):
    folder = tmp_path / "stability"
    store(folder, "fixed", 0.1)
    for level, plain, guarded in ((1.02, 0.2, 0.3), (1.6, 0.5, 0.4)):
        store(folder, "heuristic", plain, arguments={"increase": level})
        store(
            folder,
            "guarded",
            guarded,
            arguments={"method": "heuristic", "arguments": {"increase": level}},
        )
    store(folder, "ppo_digits", 0.5)
    store(folder, "guarded_ppo_digits", 0.4)
    text = pages.make_page("stability", folder)
    table = rows(text, "With a guard and without, known scale")
    assert list(table) == [
        "heuristic, increase 1.02",
        "heuristic, increase 1.6",
        "fixed",
        "ppo_digits",
    ]
    assert table["heuristic, increase 1.6"]["difference"].startswith("\N{MINUS SIGN}0.100")
    assert "From 1.02 to 1.6, `heuristic` gains 0.30" in text
    assert "helps 1 of 2 settings by more than chance explains and harms 1" in text
    assert "Of 1 agent it helps 0 and harms 1." in text
    assert pages.QUESTIONS["stability"].draw(folder).axes


def test_a_rung_adapts_if_it_beats_blind_and_its_own_scrambled_signals(pages, tmp_path):
    folder = tmp_path / "ladder"
    store(folder, "blind", 0.2)
    store(folder, "heuristic", 0.3)
    store(folder, "yoked", 0.3, arguments={"method": "heuristic"})
    store(folder, "range_test", 0.4)
    store(folder, "yoked", 0.1, arguments={"method": "range_test"})
    store(folder, "autotunenet", 0.5, collapsed=True)
    store(folder, "yoked", 0.1, arguments={"method": "autotunenet"})
    text = pages.make_page("ladder", folder)
    table = rows(text, "The ladder, known scale")
    judged = {name: (row["adapts"], row["safe"]) for name, row in table.items()}
    assert judged == {
        "blind": ("\N{EN DASH}", "yes"),
        "heuristic": ("no", "yes"),
        "range_test": ("yes", "yes"),
        "autotunenet": ("yes", "no"),
    }
    assert "`range_test` is the least complex that does" in text
    assert pages.QUESTIONS["ladder"].draw(folder).axes


def test_the_threshold_is_where_recovery_falls_below_one_half(pages):
    threshold = pages.robustness.threshold
    severities = (0.5, 1.0)
    shares = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    never = pages.robustness.NEVER
    assert threshold(shares, severities).tolist() == [never, 0.75, 0.25, never]


def test_recovery_is_shown_by_kind_time_and_severity(pages, tmp_path):
    folder = tmp_path / "robustness"
    for trigger in (6, 18):
        for severity in (1.0, 0.5):
            env = {**ENV, "trigger": trigger, "severity": severity}
            for controller in ("fixed", "heuristic"):
                back = severity < 1 or (trigger < 10 and controller == "heuristic")
                store(folder, controller, 0.1, env, recovered=back, shock_epoch=5)
    text = pages.make_page("robustness", folder)
    table = rows(text, "Severity at which recovery falls below one half")
    assert table["fixed"][r"label\_noise, shock at epoch 6"].startswith("0.75")
    assert table["heuristic"][r"label\_noise, shock at epoch 6"].startswith(r"\> 1")
    assert table["heuristic"][r"label\_noise, shock at epoch 18"].startswith("0.75")
    shares = rows(text, "Recovered runs (%)")
    assert shares["heuristic"][r"label\_noise 1, epoch 6"].startswith("100 ")
    assert "`label_noise` of severity 1, epoch 6: 50 %, of `fixed` only 0 %." in text
    assert len(pages.QUESTIONS["robustness"].draw(folder).axes) == 2


def test_times_that_runs_draw_are_parted_into_early_and_late(pages, tmp_path):
    folder = tmp_path / "drawn"
    env = {**ENV, "trigger": [0.15, 0.6]}
    for seed, shock in enumerate((2, 3, 4, 5)):
        add(folder, "fixed", seed, env, recovered=shock < 4, shock_epoch=shock)
        add(folder, "blind", seed, env, recovered=True, shock_epoch=shock)
    shares = rows(pages.make_page("robustness", folder), "Recovered runs (%)")
    assert shares["fixed"][r"label\_noise 0.4, early (2 runs)"].startswith("100 ")
    assert shares["fixed"][r"label\_noise 0.4, late (2 runs)"].startswith("0 ")


def test_searches_are_followed_to_where_they_are_used(pages, tmp_path):
    records = [{"method": "fixed", "seed": s, "cliff": None, "learning_rate": 0.05} for s in (0, 1)]
    for seed, cliff in ((0, 0.25), (1, None)):
        records.append(
            {
                "method": "early_bayesian",
                "seed": seed,
                "selected": 0.5,
                "held_out": 0.4 + 0.01 * seed,
                "stationary": 0.3,
                "shifted": 0.2,
                "hindsight": 0.45,
                "cliff": cliff,
                "learning_rate": 0.1,
            }
        )
    (tmp_path / "searches.json").write_text(json.dumps(records))
    text = pages.make_page("search", tmp_path)
    (found,) = rows(text, "What searches find, and what it is worth").values()
    assert found["winner's curse"].startswith("0.095 ")
    assert found["regret to hindsight"].startswith("0.250 ")
    assert "0 % of `fixed`, 50 % of `early_bayesian`" in text
    assert len(pages.QUESTIONS["search"].draw(tmp_path).axes) == 3


def test_each_kind_of_control_is_held_against_a_schedule_of_the_same_optimizer(pages, tmp_path):
    folder = tmp_path / "optimizer"
    plain = {"fixed": 0.1, "blind": 0.2, "hypergradient": 0.3, "ppo_gradient": 0.4}
    for label, value in plain.items():
        store(folder, label, value)
    adamw = {
        "adamw": 0.2,
        "blind_adamw": 0.7,
        "hypergradient_adamw": 0.5,
        "ppo_gradient_adamw": 0.6,
    }
    for label, value in adamw.items():
        store(folder, label, value)
    store(folder, "heuristic", 0.9)
    text = pages.make_page("optimizer", folder)
    _, _, table = text.partition("### Control of two optimizers, known scale")
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    found = {line[0]: [cell.partition(" ")[0] for cell in line[1:]] for line in lines[2:]}
    minus = "\N{MINUS SIGN}"
    assert found["a rule"] == ["0.300", "0.500", "0.200", "0.100", f"{minus}0.200", "0.0", "0.0"]
    assert found["an agent"][2:5] == ["0.200", "0.200", f"{minus}0.100"]
    assert "`blind_adamw` is best, with 0.700" in text
    assert f"The agent less the schedule is 0.200 [0.200, 0.200] with SGD and {minus}0.100" in text
    assert pages.QUESTIONS["optimizer"].draw(folder).axes
