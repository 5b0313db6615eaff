"""Fixtures that every test may use: the real data folder, and a home of its own for each test."""

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parents[1]
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / "var" / "numba"))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")

# The same examples on every machine and every day: a red test must be red again for whoever looks at it.
hypothesis.settings.register_profile("desk", derandomize=True, deadline=None)
hypothesis.settings.load_profile("desk")


def real_folder() -> Path:
    return Path(os.environ.get("EIGHTBELLS_DATA") or ROOT.parent / "shared" / "data").resolve()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real data, or skip."""
    folder = real_folder()
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip(f"no real data at {folder}; name the folder with EIGHTBELLS_DATA")
    return folder
