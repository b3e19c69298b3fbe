"""Figures and tables for a paper."""

import re

from atn_gym import cli
from atn_gym.eval.report.document import Cell, Table, row
from atn_gym.eval.report.paper import to_latex
from atn_gym.eval.report.report import write_report
from atn_gym.eval.storage.experiment import read_experiment


def test_every_figure_and_table_is_a_file(known, tmp_path, capsys):
    assert cli.main(["report", str(known), "--out", str(tmp_path), "--paper"]) == 0
    assert f"figures and tables: {tmp_path / 'paper'}" in capsys.readouterr().out
    found = {path.name for path in (tmp_path / "paper").iterdir()}
    assert {path.removesuffix(".pdf") for path in found if path.endswith(".pdf")} == {
        "performance-over-all-envs",
        "performance-profiles",
        "performance-against-compute",
        "digitscnn-datashift-over-epochs",
    }
    assert {f"{name[:-4]}.svg" for name in found if name.endswith(".pdf")} <= found
    assert {"all-envs.tex", "safety-over-all-envs.tex", "controllers.tex"} <= found


def test_without_the_option_there_is_no_such_folder_and_with_it_it_is_no_foreign_one(known):
    write_report(known)
    assert not (known / "paper").exists()
    write_report(known, for_paper=True)
    assert read_experiment(known).skipped == []


def test_a_table_is_a_tabular_with_the_same_cells_and_all_text_escaped():
    evil = "a_b & 50% $x$ #1 {c} \\input{x} ~^<>"
    table = Table(
        f"{evil}\nsecond line",
        ("controller", "score"),
        (
            row(evil, Cell("\N{MINUS SIGN}0.5", "[0.1, 0.2]")),
            row("oracle", "\N{EN DASH}", is_reference=True),
        ),
    )
    lines = to_latex(table).splitlines()
    assert lines[0].startswith("% a_b")
    assert lines[2:5] == ["\\begin{tabular}{lr}", "\\toprule", "controller & score \\\\"]
    assert lines[6].endswith(" & $-$0.5 {\\footnotesize [0.1, 0.2]} \\\\")
    assert lines[7] == "\\textit{oracle} & -- \\\\"
    assert lines[8:] == ["\\bottomrule", "\\end{tabular}"]
    name = lines[6].split(" & $-$")[0]
    assert "\\textbackslash{}input\\{x\\}" in name
    assert not re.search(r"(?<!\\)[&%#_]", name)
