"""The README's own code runs as it stands, from top to bottom."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_python_blocks_run(clean_registries, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert "undecided" in capsys.readouterr().out
    env = names["env"]
    env.reset(seed=0)
    *_, info = env.step(env.action_space.sample())
    assert info["epoch"] == 1


def test_named_files_exist():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert (README.parent / link.partition("#")[0]).exists(), link


def test_it_is_short_enough_to_be_read():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_no_command_needs_a_link_at_the_root():
    """Where git makes no symbolic links, `configs/...` does not exist; names always work."""
    root = README.parent
    files = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("atn_gym/configs/*.yaml")]
    for file in [*files, root / "run_benchmark.py"]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"--config\s+configs/", text), file
