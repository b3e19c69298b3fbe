"""The files of the project agree with the package and with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import atn_gym
from atn_gym import config_file

ROOT = Path(__file__).parent.parent


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_citation_has_the_version_of_the_package() -> None:
    assert yaml.safe_load(text("CITATION.cff"))["version"] == atn_gym.__version__


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    assert re.findall(r"^## (.*)$", text("CHANGELOG.md"), re.MULTILINE)[0] == "Unreleased"


def test_the_readme_runs_configs_by_shipped_names_that_need_no_links() -> None:
    commands = re.findall(r"--config\s+(\S+?)[`\s]", text("README.md") + text("Makefile"))
    assert len(commands) >= 2
    for name in commands:
        assert config_file.read_yaml(name)[0].parent == config_file.SHIPPED


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_make_targets_that_are_named_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text(page), re.MULTILINE))
    assert len(named) >= 2
    assert named <= targets


def test_links_of_the_project_pages_lead_somewhere() -> None:
    for page in ("CONTRIBUTING.md", "CHANGELOG.md"):
        links = re.findall(r"\]\((?!http)([^)]+)\)", text(page))
        assert links
        assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_development_tool_is_pinned() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    pinned = {
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
        for line in text("constraints.txt").splitlines()
        if "==" in line
    }
    extras = project["optional-dependencies"]
    required = project["dependencies"] + extras["dev"] + extras["docs"]
    names = {re.split(r"[<>=\[]", entry)[0].replace("_", "-").lower() for entry in required}
    assert names - {"atn-gym"} <= pinned


def test_the_hosted_check_covers_every_supported_python_on_both_systems() -> None:
    matrix = yaml.safe_load(text(".github/workflows/check.yml"))["jobs"]["test"]["strategy"]
    lowest = tomllib.loads(text("pyproject.toml"))["project"]["requires-python"]
    assert lowest == f">={matrix['matrix']['python'][0]}"
    assert {os.partition("-")[0] for os in matrix["matrix"]["os"]} == {"ubuntu", "macos"}
