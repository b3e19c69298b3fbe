"""The pages and pictures that only the site has."""

import re

import pytest
from page_makers import DOCS, page_maker

from atn_gym.envs import registry
from atn_gym.envs.regimes import DataShift

MOST_BYTES = 200_000


def test_every_regime_has_a_small_picture_on_its_page():
    page = (DOCS / "regimes.md").read_text(encoding="utf-8")
    name_of = page_maker("make_regime_pictures").picture_name
    for regime in ["Profiles", *registry.regime_names()]:
        if regime != "Stationary":
            assert f"](pictures/{name_of(regime)})" in page


def test_pictures_are_small():
    pictures = list((DOCS / "pictures").iterdir())
    assert len(pictures) >= 8
    assert [p.name for p in pictures if p.stat().st_size > MOST_BYTES] == []


def test_every_task_stands_on_the_page_of_its_family(tmp_path, monkeypatch):
    made = page_maker("env_pages")
    monkeypatch.setattr(made, "FOLDER", tmp_path)
    made.write_env_pages()
    for family, tasks in made.families().items():
        text = (tmp_path / f"{family}.md").read_text(encoding="utf-8")
        for task in tasks:
            assert f"`atn_gym/{task}-Mixture-v0`" in text
        inputs = registry.get_task(family).inputs
        assert re.search(r'kind="(\w+)"', text)[1] in DataShift.kinds_for(inputs)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a](CHANGELOG.md)", "[a](project/changelog.md)"),
        ("[a](docs/metrics.md#x)", "[a](metrics.md#x)"),
        ("[a](examples)", "a"),
        ("[a](setup.cfg)", "[a](../setup.cfg)"),
        ("[a](https://example.org)", "[a](https://example.org)"),
    ],
)
def test_links_of_the_repository_become_those_of_the_site(link, expected):
    assert page_maker("project_pages").with_site_links(link, "README.md", "docs/x.md") == expected


def test_every_error_of_the_package_stands_on_its_page():
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (DOCS.parent / "atn_gym").rglob("*.py")]
    errors = set(
        re.findall(r"^class (\w+)\((?:AtnGymError|InvalidArgument)", "\n".join(sources), re.M)
    )
    assert len(errors) >= 10
    assert [name for name in errors if f"| `{name}` |" not in page] == []
