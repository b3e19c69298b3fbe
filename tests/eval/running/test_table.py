"""The tables at the end of a run."""

import io

import yaml
from rich.console import Console

from atn_gym import cli
from atn_gym.config import ControllerConfig, EnvConfig
from atn_gym.eval.metrics.formatting import NONE
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.each_env import env_table
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.running.experiment import Outcome
from atn_gym.eval.running.table import legend, outcome_tables, shown_names
from atn_gym.eval.storage.experiment import read_experiment


def test_a_partly_failed_controller_is_marked_in_the_table():
    def outcome(name, label, complete, failed):
        summary = {
            "compute_adjusted_performance": 0.5,
            "anytime_performance": 0.25,
            "final_val_accuracy": 0.9,
            "collapsed": True,
            "rollback_count": 1,
        }
        controller = ControllerConfig(name=name, label=label)
        failures = dict.fromkeys(range(failed), "broke")
        env = EnvConfig(id="atn_gym/DigitsCnn-Stationary-v0")
        return Outcome(env, controller, [summary] * complete, failures)

    (table,) = outcome_tables(
        [outcome("fixed", "a", 4, 0), outcome("step", "[/b]", 1, 3), outcome("spsa", "c", 0, 4)]
    )
    assert str(table.title) == "DigitsCnn-Stationary, 4 seeds"
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    rows = console.file.getvalue().splitlines()[5:]
    assert [row.split()[0] for row in rows] == ["a", "[/b]", "c"]
    assert rows[1].startswith("[/b] (1 of 4 seeds)")
    assert "of" not in rows[0]
    assert rows[0].split()[1:] == [
        "0.500±0.000",
        "0.250±0.000",
        "90.0±0.0",
        "4",
        "/",
        "4",
        "1.0",
        NONE,
    ]
    assert rows[2].split()[1:] == ["failed"]


def test_rows_are_sorted_by_the_number_that_is_shown():
    """Each beginning counts the same: 0.5 comes before 0.4, whose runs have a mean of 0.6."""
    tables = []
    for order in (("fixed", "cosine"), ("cosine", "fixed")):
        found = {"fixed": ([0.8, 0.8, 0.8, 0.0], [0, 0, 0, 1]), "cosine": ([0.5, 0.5], [0, 1])}
        outcomes = [
            Outcome(
                EnvConfig(id="atn_gym/DigitsCnnPoorInit-Stationary-v0"),
                ControllerConfig(name=label),
                [
                    {"compute_adjusted_performance": value, "beginning": beginning}
                    for value, beginning in zip(*found[label], strict=True)
                ],
                {},
            )
            for label in order
        ]
        console = Console(file=io.StringIO(), width=120)
        console.print(outcome_tables(outcomes)[0])
        tables.append([line.split() for line in console.file.getvalue().splitlines()[-2:]])
    assert [row[0] for row in tables[0]] == ["cosine", "fixed"]
    assert [row[1] for row in tables[0]] == ["0.500", "0.400"]
    assert tables[0] == tables[1]


def test_terminal_and_report_show_the_same_statistics_words_and_order(tmp_path, capsys):
    config = {
        "experiment": "both",
        "envs": [{"id": "atn_gym/DigitsCnnPoorInit-Stationary-v0", "num_epochs": 3}],
        "controllers": ["fixed", "one_cycle", "random_online"],
        "seeds": 5,
        "results": str(tmp_path),
    }
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["run", "--config", str(tmp_path / "both.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    stored = read_experiment(tmp_path / "both")
    index = ResultIndex(stored.runs, stored.labels, stored.failures)
    table = env_table(BlockStatistics(index, index.block()), "one env")
    (title,) = [i for i, line in enumerate(lines) if line.startswith("DigitsCnnPoorInit-Stat")]
    (first,) = [i for i, line in enumerate(lines) if line.startswith("controller ")]
    words = " ".join(lines[title + 1 : first + 1]).split()
    for i, row in enumerate(table.rows):
        shown = lines[first + 1 + i].split()
        assert shown[0] == row.cells[0].text
        for place, name in enumerate(("compute-adjusted performance", "anytime performance"), 1):
            cell = row.cells[table.headings.index(name)]
            assert shown[place] == f"{cell.text}{cell.detail}".replace(" ", "")
            assert set(name.replace("-", "- ").split()) <= set(words)
        collapsed = row.cells[table.headings.index("collapsed runs")].text
        assert collapsed in lines[first + 1 + i]


def test_every_column_is_explained_below_the_table_and_whole_on_eighty_columns():
    summary = {
        "compute_adjusted_performance": 0.5,
        "anytime_performance": -0.25,
        "final_val_accuracy": 0.9,
        "collapsed": True,
        "rollback_count": 1.0,
        "wall_clock_s": {"total": 112.5},
    }
    env = EnvConfig(id="atn_gym/DigitsCnnUnknownScale-OptimizerSensitivityShift-v0")
    controller = ControllerConfig(name="fixed", label="a name of more than twenty letters")
    (table,) = outcome_tables([Outcome(env, controller, [summary] * 3, {})])
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    shown = console.file.getvalue()
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert "112.50" in shown
    words = set(shown.split())
    explained = [line.partition(":")[0] for line in legend()]
    assert len(explained) == len(table.columns)
    for heading in explained[:-1]:
        assert set(heading.replace("-", "- ").split()) <= words


def test_variants_are_told_apart_in_tables_as_in_the_report():
    envs = [EnvConfig(id="atn_gym/DigitsCnn-DataShift-v0", **a) for a in ({}, {"severity": 0.1})]
    controllers = [ControllerConfig(name="step", gamma=gamma) for gamma in (0.3, 0.5)]
    outcomes = [Outcome(env, c, [], {0: "broke"}) for env in envs for c in controllers]
    assert shown_names(outcomes) == [
        (f"DigitsCnn-DataShift (severity={severity})", f"step (gamma={gamma})")
        for severity in (1.0, 0.1)
        for gamma in (0.3, 0.5)
    ]
    titles = [str(table.title) for table in outcome_tables(outcomes)]
    assert titles[1].startswith("DigitsCnn-DataShift (severity=0.1), a SINGLE seed")


def test_tables_in_a_file_are_whole_and_paths_are_no_markup(config_file, tmp_path, capsys):
    label = "a label of a controller that is as long as a line of a terminal, or longer than it is"
    config = yaml.safe_load(config_file.read_text())
    controllers = [{"name": "fixed", "label": label}]
    config_file.write_text(yaml.safe_dump({**config, "controllers": controllers}))
    results = tmp_path / "x[b]y[" / "[/b]"
    assert cli.main(["run", "--config", str(config_file), "--results", str(results)]) == 0
    output = capsys.readouterr().out
    (line,) = [line for line in output.splitlines() if label in line]
    assert len(line.split("\N{PLUS-MINUS SIGN}")) == 4
    assert f"Results: {results}/small\n" in output


def test_list_prints_every_id(capsys):
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.split()
    assert "atn_gym/MnistCnn-DataShift-v0" in lines
    assert len(lines) >= 36
