"""The page, the Markdown and the CSV file of a report."""

import csv
import itertools
import json
import re

import pytest
from made_up_runs import ENV, Page, add, fail, mine

from atn_gym.eval.metrics.formatting import printable
from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.labels import set_labels
from atn_gym.eval.storage.store import ResultStore

EVIL = "<script>alert('1')</script>|`$x$`\n# x"


def test_page_needs_no_other_file(known):
    write_report(known)
    text = (known / "report.html").read_text()
    page = Page(text)
    assert not set(page.tags) & {"link", "img", "iframe", "object", "image"}
    assert page.tags.count("script") == 1
    assert {link[0] for link in page.links} == {"#"}
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert not re.search(r"https?:|url\((?!#)|@import", text)


def test_details_stand_below_their_values_where_many_columns_have_one(known):
    write_report(known)
    page = (known / "report.html").read_text()
    found = re.findall(r"<table class=\"(\w*)\">\s*<caption>([^:<]+)", page)
    styles = {title: style for style, title in found}
    assert styles["All envs"] == "stacked"
    assert styles["DigitsCnn-DataShift"] == "stacked"
    assert styles["DigitsCnn-DataShift, safety"] == ""
    assert styles["Controllers"] == "text"


def test_what_belongs_to_a_controller_can_be_hidden(known):
    """In the order of the chooser: mine, fixed, lookahead_oracle."""
    write_report(known)
    page = (known / "report.html").read_text()
    chooser = re.findall(r'value="(\d)" checked>(\w+)<', page)
    assert chooser == [("0", "mine"), ("1", "fixed"), ("2", "lookahead_oracle")]
    rows = re.findall(r'<tr class="([^"]*)"><th scope="row">(\w+)', page)
    assert {(style, name) for style, name in rows if style} == {
        ("c0", "mine"),
        ("c1", "fixed"),
        ("apart c2", "lookahead_oracle"),
    }
    figures = re.findall(r'<svg class="figure.*?</svg>', page, re.S)
    assert len(figures) == 4
    assert all('class="c0"' in figure and 'class="c2"' in figure for figure in figures)


def test_headings_are_explained_where_they_stand(known):
    write_report(known)
    page = (known / "report.html").read_text()
    assert (
        '<abbr title="Restarts are runs spent before the scored one.">restarts / run</abbr>' in page
    )


def test_names_arguments_paths_and_errors_are_escaped(tmp_path):
    root = tmp_path / "<b>trial</b>"
    env = {**ENV, "id": 'm:atn_gym/" onload="<script>-v0', "kind": EVIL}
    add(root, f"m:{EVIL}", arguments={"note": EVIL}, env=env, version=EVIL)
    add(root, f"m:{EVIL}", seed=1, env=env, arguments={"note": "x"})
    ResultStore(root).write_manifest({"processor": EVIL, EVIL: EVIL})
    (root / "<script>alert(2)<").mkdir()
    (root / "parts" / "<script>").write_text("")
    (root / "0123456789abcdef").mkdir()
    write_report(root)
    page = Page((root / "report.html").read_text())
    assert page.tags.count("script") == 1, "that of the page"
    assert "b" not in page.tags
    shown = "".join(page.text)
    assert "<script>alert('1')</script>" in shown
    assert "<script>alert(2)<: is not a file" in shown
    lines = (root / "report.md").read_text().splitlines()
    assert not any("<script>" in line.replace("\\<", "") for line in lines)
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", before)) == len(re.findall(r"(?<!\\)\|", line))


def test_summary_has_a_row_for_every_run(known):
    write_report(known)
    with (known / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    (row,) = [r for r in rows if r["controller"] == "mine" and r["seed"] == "2"]
    assert row["env"] == "DigitsCnn-DataShift"
    assert row["config.env.severity"] == "0.4"
    assert json.loads(row["config.env.hyperparameters"]) == ["learning_rate", "momentum"]
    assert float(row["anytime_performance"]) == 0.8
    assert row["run"] in {run.key for run in read_experiment(known).runs}
    assert rows[0]["rollback_count"] == "", "fixed has none"


def test_a_report_made_twice_is_the_same(known):
    write_report(known)
    before = [(known / n).read_text() for n in ("report.html", "report.md", "summary.csv")]
    write_report(known)
    assert before == [(known / n).read_text() for n in ("report.html", "report.md", "summary.csv")]


def test_navigation_does_not_run_words_together(known):
    write_report(known)
    text = (known / "report.html").read_text()
    shown = "".join(Page(text[text.index("<nav>") : text.index("</nav>") + 6]).text)
    assert shown.split("  ")[0].strip() == "Answer Envs Methods Settings and provenance"


def test_formulas_in_the_csv_file_are_text(root):
    formula = '=HYPERLINK("http://x","y")'
    add(root, "mine", arguments={"note": "+1", "=name": 2, "gain": -0.5})
    add(root, "other", commit="@cmd")
    set_labels(root, {mine(note="+1", **{"=name": 2}, gain=-0.5): formula})
    write_report(root)
    with (root / "summary.csv").open(newline="") as file:
        rows = {row["controller"]: row for row in csv.DictReader(file)}
    assert set(rows) == {f"'{formula}", "other"}
    assert rows[f"'{formula}"]["config.controller.note"] == "'+1"
    assert rows["other"]["commit"] == "'@cmd"
    assert float(rows[f"'{formula}"]["config.controller.gain"]) == -0.5


@pytest.mark.parametrize("label", ["a\x1b[31mb", "a\ud800b", "a\x00b", "a\x9bb", "a\u202eb"])
def test_what_a_terminal_or_browser_would_obey_is_replaced(root, label):
    add(root, "mine")
    fail(root, "worst", 0, f"it broke: {label}")
    set_labels(root, {mine(): label})
    write_report(root)
    for name in ("report.html", "report.md", "summary.csv"):
        text = (root / name).read_text(encoding="utf-8")
        assert not set(text) & set("\x00\x1b\x9b\u202e")
    assert printable(label).startswith("a\N{REPLACEMENT CHARACTER}")
