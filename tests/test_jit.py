"""Compiled kernels never outlive the source they were compiled from."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.jit import stamp

ROOT = Path(__file__).parents[1]


def test_the_stamp_follows_the_text_of_modules_that_speak_of_numba_and_no_others(tmp_path):
    inner, outer = tmp_path / "inner.py", tmp_path / "outer.py"
    inner.write_text("from pipeline.jit import kernel\n")
    outer.write_text("x = 1\n")
    first = stamp.__wrapped__(tmp_path)
    outer.write_text("x = 2\n")
    assert stamp.__wrapped__(tmp_path) == first
    inner.write_text("from pipeline.jit import inlined\n")
    assert stamp.__wrapped__(tmp_path) != first


def test_a_change_in_a_called_module_reaches_a_caller_that_was_compiled_before(tmp_path):
    package = tmp_path / "pipeline"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "jit.py").write_text((ROOT / "pipeline" / "jit.py").read_text())
    (package / "caller.py").write_text(
        "from pipeline.jit import kernel\nfrom pipeline.called import twice\n\n\n"
        "@kernel\ndef answer(x):\n    return twice(x)\n"
    )

    def run(factor):
        (package / "called.py").write_text(
            f"from pipeline.jit import kernel\n\n\n@kernel\ndef twice(x):\n    return {factor} * x\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", "from pipeline.caller import answer; print(answer(21))"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert run(2) == 42
    assert run(3) == 63
    assert len(list((tmp_path / "cache").glob("kernels-*"))) == 2
