"""Stores runs that never were, and reads a report of them."""

from html.parser import HTMLParser

from stored_runs import ENV, EPOCHS, OTHER, SHOCK, add, trace

from atn_gym.eval.report.document import Figure, Table
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.report.report import make_document
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.parts import RunResult
from atn_gym.eval.storage.store import ResultStore

__all__ = ["ENV", "EPOCHS", "OTHER", "SHOCK", "add", "trace"]


def fail(root, controller, seed, reason="it <b>broke</b>", env=ENV):
    config = {"env": env, "controller": {"name": controller}, "seed": seed}
    ResultStore(root).write([RunResult(config, error=reason)], {})


def made_document(root):
    stored = read_experiment(root)
    return make_document(stored, make_comparison(root))


def tables(root):
    found = [part for part in made_document(root).parts() if isinstance(part, Table)]
    return {part.title.split(":")[0]: part for part in found}


def figures(root):
    found = [part for part in made_document(root).parts() if isinstance(part, Figure)]
    return {part.title.split(":")[0]: part for part in found}


def cells(table, label):
    (row,) = [row for row in table.rows if row.cells[0].text == label]
    return {
        heading: " ".join(filter(None, [cell.text, cell.detail]))
        for heading, cell in zip(table.headings, row.cells, strict=True)
    }


def make_comparison(root):
    stored = read_experiment(root)
    return ResultIndex(stored.runs, stored.labels, stored.failures)


def labels(root):
    stored = read_experiment(root)
    return [c.label for c in ResultIndex(stored.runs, stored.labels).controllers]


def mine(**arguments):
    return run_key({"name": "mine", **arguments})


def skipped(root):
    return {entry.name: entry.reason for entry in read_experiment(root).skipped}


class Page(HTMLParser):
    """Records the tags of a page, and checks that they are closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.ids, self.text, self._open = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        assert not [name for name, _ in attributes if name.startswith("on")]
        values = dict(attributes)
        self.links += [v for k, v in attributes if k in ("href", "src", "xlink:href", "data")]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in ("meta", "wbr", "input"):
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self._open.pop()

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
