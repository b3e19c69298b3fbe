"""Figures and tables for a paper."""

import re
import shutil
import subprocess

import pytest

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
    assert lines[6].endswith(" & $-$0.5 {\\scriptsize [0.1, 0.2]} \\\\")
    assert lines[7] == "\\textit{oracle} & -- \\\\"
    assert lines[8:] == ["\\bottomrule", "\\end{tabular}"]
    name = lines[6].split(" & $-$")[0]
    assert "\\textbackslash{}input\\{x\\}" in name
    assert not re.search(r"(?<!\\)[&%#_]", name)


def test_a_wide_table_stacks_its_intervals_and_headings():
    cells = [Cell("0.5", "[0.1, 0.2]")] * 6
    table = Table("t", ("controller", *["compute-adjusted performance"] * 6), (row("a", *cells),))
    lines = to_latex(table).splitlines()
    assert lines[1].endswith("a sidewaystable of the package rotating")
    assert lines[2:4] == [
        "{\\footnotesize\\setlength{\\tabcolsep}{3pt}%",
        "\\begin{tabular}{lrrrrrr}",
    ]
    heading = "\\shortstack[r]{compute-adjusted\\\\performance}"
    assert lines[5] == f"controller & {' & '.join([heading] * 6)} \\\\"
    interval = "\\begin{tabular}[t]{@{}r@{}}0.5\\\\{\\scriptsize [0.1, 0.2]}\\end{tabular}"
    assert lines[7] == f"a & {' & '.join([interval] * 6)} \\\\[2pt]"
    assert lines[8:] == ["\\bottomrule", "\\end{tabular}}"]


def test_columns_of_text_wrap_and_names_can_be_broken():
    rows = (row("atn_gym/DigitsCnn-v0", "a" * 20),)
    lines = to_latex(Table("t", ("env", "about"), rows, is_text=True)).splitlines()
    column = ">{\\raggedright\\arraybackslash}p{0.400\\linewidth}"
    assert lines[2] == f"\\begin{{tabular}}{{{column * 2}}}"
    assert lines[6].startswith(
        "atn\\_\\allowbreak{}gym/\\allowbreak{}DigitsCnn-\\allowbreak{}v0 & "
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_latex_takes_every_table_of_a_report(known, tmp_path):
    write_report(known, tmp_path, for_paper=True)
    tables = sorted((tmp_path / "paper").glob("*.tex"))
    text = "\n\n".join(f"\\input{{{table}}}" for table in tables)
    packages = "\\usepackage{array,booktabs}"
    (tmp_path / "all.tex").write_text(
        f"\\documentclass{{article}}{packages}\\begin{{document}}{text}\\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
