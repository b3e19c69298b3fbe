"""The page on the references is written from a stored sweep: here a small one, never run."""

import pytest
from page_makers import page_maker
from stored_runs import OTHER, add

PERFORMANCE = {"fixed": (0.1, 0.3), "blind": (0.2, 0.6), "reactive_oracle": (0.5, 0.7)}


@pytest.fixture(scope="module")
def pages():
    return page_maker("make_references_page")


@pytest.fixture
def sweep(tmp_path):
    for controller, means in PERFORMANCE.items():
        for gain, mean in zip((1.0, -1.0), means, strict=True):
            for seed, offset in enumerate((-0.1, 0.1)):
                env = {**OTHER, "gain": gain}
                add(tmp_path / "sweep", controller, seed, env, anytime_performance=mean + offset)
    return tmp_path / "sweep"


def test_the_page_has_a_row_for_each_gain_in_order(pages, sweep):
    text = pages.make_page(sweep)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    table = rows[next(i for i, cells in enumerate(rows) if cells[0] == "gain") :]
    assert table[0] == ["gain", "fixed", "blind", r"reactive\_oracle"]
    assert [cells[0][1:] for cells in table[2:]] == ["1.0", ".0"]
    assert table[2][1].startswith("0.300")
    assert table[3][3].startswith("0.500")
    assert "2 seeds of DigitsCnn-Stationary" in text


def test_it_writes_page_and_figure_and_checks_them(pages, sweep, tmp_path, capsys):
    out = tmp_path / "docs"
    out.mkdir()
    assert pages.main([str(sweep), "--out", str(out)]) == 0
    assert (out / "references.png").read_bytes()[:4] == b"\x89PNG"
    assert pages.main([str(sweep), "--out", str(out), "--check"]) == 0
    page = out / "references.md"
    page.write_text(page.read_text(encoding="utf-8").replace("0.300", "0.301"), encoding="utf-8")
    assert pages.main([str(sweep), "--out", str(out), "--check"]) == 1
    assert "write it again" in capsys.readouterr().out
