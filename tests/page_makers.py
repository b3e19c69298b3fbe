"""Imports the scripts of docs/ that write its pages."""

import importlib
import sys
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
# The scripts import each other, as they can where they lie.
sys.path.append(str(DOCS))


def page_maker(name):
    return importlib.import_module(name)
