"""A copy of the project's configuration that a test may damage."""

import shutil
from pathlib import Path

import pytest

from pipeline.config import Loaded, load_settings

ROOT = Path(__file__).parents[2]


class Tree:
    """A project root with nothing but ``configs``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "configs", root / "configs")

    def file(self, name: str) -> Path:
        return self.root / "configs" / "base" / f"{name}.yaml"

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace text where it first stands, of strategies in the entry of the first one."""
        text = self.file(name).read_text()
        once = text.count(old) == 1 or (name == "strategies" and old in text)
        assert once, f"{old!r} stands {text.count(old)} times in {name}"
        self.file(name).write_text(text.replace(old, new, 1))

    def line(self, name: str, part: str) -> int:
        lines = self.file(name).read_text().splitlines()
        return 1 + next(number for number, line in enumerate(lines) if part in line)

    def experiment(self, text: str) -> Path:
        path = self.root / "configs" / "experiments" / "tried.yaml"
        path.write_text(text)
        return path

    def load(self, **layers) -> Loaded:
        return load_settings(root=self.root, environ=layers.pop("environ", {}), **layers)


@pytest.fixture
def tree(tmp_path) -> Tree:
    return Tree(tmp_path / "project")
