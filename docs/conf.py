"""Settings of the site, which `make docs` builds; Sphinx explains the names."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from api_pages import escape_bars, write_api_pages  # noqa: E402
from env_pages import write_env_pages  # noqa: E402
from project_pages import with_site_links, write_project_pages  # noqa: E402

import atn_gym  # noqa: E402
from atn_gym.agents import CONTROLLERS  # noqa: E402

project = "atn_gym"
author = project_copyright = "The atn_gym authors"
release = version = atn_gym.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "remove"
nb_merge_streams = True
highlight_language = "text"
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_custom_sections = ["Source"]
napoleon_use_ivar = True

html_title = f"atn_gym {release}"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False

TREES = {"controllers/README": CONTROLLERS}
"""Pages below pages that GitHub shows too, so that these hold no directive of Sphinx."""


def adapt(app: Any, page: str, text: list[str]) -> None:
    """Makes a page of the repository one of the site: links, intervals, and the tree below it."""
    file = f"docs/{page}.md"
    text[0] = with_site_links(text[0], file, file)
    text[0] = re.sub(r"^\|.*", _keep_intervals, text[0], flags=re.MULTILINE)
    text[0] = re.sub(r"^\|[^`\n]*\n(?=\| ?:?-)", _break_names, text[0], flags=re.MULTILINE)
    if page in TREES:
        text[0] += "\n".join(["\n```{toctree}", ":hidden:", *TREES[page], "```", ""])


def _keep_intervals(row: re.Match[str]) -> str:
    """A row of a table in which no line breaks within an interval, such as [0.1, 0.2]."""
    return re.sub(r"(?<=\[)([^],|]+), (?=[^],|]+\])", "\\1,\u00a0", row[0])


def _break_names(headings: re.Match[str]) -> str:
    """Headings whose long names, such as OptimizerSensitivityShift, may break between words."""
    return re.sub(r"(?<=[a-z]{7})(?=[A-Z][a-z]{3})", "<wbr>", headings[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    write_project_pages()
    write_env_pages()
    write_api_pages()
    app.connect("source-read", adapt)
    app.connect("autodoc-process-docstring", escape_bars)
