"""Imports the scripts of docs/ that write its pages."""

import importlib.util
import sys
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def page_maker(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
