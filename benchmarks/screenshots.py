"""Takes the pictures of ``docs/pictures`` from a real ``dagster dev`` with a headless Chromium.

``python -m benchmarks.screenshots`` runs the main job on the sample world in a passing home and writes
``asset-graph.png`` and ``backtest-run.png``.  Look at them before you commit them.
"""

import argparse
import io
import os
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assets.partitions import month_range
from benchmarks.dagster_server import ROOT, DagsterServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZE = {"width": 1600, "height": 1000}
GRAPH_SIZE = {"width": 3200, "height": 1000}
"""Large enough for the nodes of the whole graph, laid out downwards, to show their checks."""
GRAPH_CLIP = {"x": 400, "y": 130, "width": 2740, "height": 800}
"""The graph without the panels around it."""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
GRAPH_LOOKS = 120
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MOST_BYTES = 400_000


def browser_path() -> str | None:
    """Return where Chromium is installed, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def asset_graph(page: "Page", server: DagsterServer) -> bytes:
    """Return a picture of the whole asset graph."""
    page.set_viewport_size(GRAPH_SIZE)  # ty: ignore[invalid-argument-type]
    groups = ("backtest", "chain", "features", "market", "optimization", "regimes", "valuation")
    expanded = "%2C".join(f"global%40global%3A{group}" for group in groups)
    page.goto(f"{server.url}/asset-groups/?expanded={expanded}", wait_until="domcontentloaded")
    page.evaluate("localStorage.setItem('asset-graph-direction', '\"vertical\"')")
    page.get_by_text("Hide navigation").click()
    page.locator("button", has=page.locator("[aria-label=panel_show_right]")).first.click()
    # The graph is scaled to the window once.  Scaled to what the panels left, its nodes are too small to show
    # checks; loaded again, it finds the panels folded.
    page.reload(wait_until="domcontentloaded")
    wait_until_loaded(page)
    return page.screenshot(clip=GRAPH_CLIP)  # ty: ignore[invalid-argument-type]


def wait_until_loaded(page: "Page") -> None:
    """Return when the graph has shown the same checks four times in a row; it asks for them by and by.

    Raises
    ------
    TimeoutError
        When it has not in some minutes.
    """
    seen: list[list[str]] = []
    for _ in range(GRAPH_LOOKS):
        page.wait_for_timeout(2_000)
        shown = page.inner_text("body")
        seen = [*seen[-3:], sorted(re.findall(r"\d+ / \d+ Passed", shown))]
        if seen[0] and seen == seen[:1] * 4 and "Loading" not in shown:
            return
    raise TimeoutError("the graph does not stop loading")


def backtest_run(page: "Page", server: DagsterServer) -> bytes:
    """Return a picture of the newest materialisation of ``backtest.runs``, its equity curve open."""
    page.goto(f"{server.url}/assets/backtest/runs?view=events", wait_until="domcontentloaded")
    page.get_by_text("[Show Markdown]").first.click(timeout=60_000)
    page.get_by_alt_text("NAV and drawdown").wait_for(timeout=60_000)
    page.wait_for_timeout(1_500)
    return page.screenshot()


def small(png: bytes) -> bytes:
    """Return the picture with 256 colours, a third of its bytes."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
    return out.getvalue()


def take(home: Path, target: Path) -> list[Path]:
    """Run the main job in ``home`` if it never ran there, and write both pictures to ``target``."""
    from playwright.sync_api import sync_playwright

    target.mkdir(parents=True, exist_ok=True)
    shots = {"asset-graph.png": asset_graph, "backtest-run.png": backtest_run}
    written = []
    with DagsterServer(home) as server, sync_playwright() as playwright:
        if not (home / "warehouse.duckdb").exists():
            history = month_range(datetime(2019, 1, 1, tzinfo=UTC), datetime.now(UTC))
            status = server.wait_for(server.launch("main", history), timeout_s=300.0)
            if status != "SUCCESS":
                raise RuntimeError(f"the run ended as {status}: {server.log}")
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        for name, shot in shots.items():
            page = browser.new_page(viewport=SIZE)  # ty: ignore[invalid-argument-type]
            png = small(shot(page, server))
            if len(png) > MOST_BYTES:
                raise RuntimeError(f"{name} has {len(png)} bytes, more than {MOST_BYTES}")
            (target / name).write_bytes(png)
            written.append(target / name)
            page.close()
        browser.close()
    return written


def main() -> None:
    """Take both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="keep or reuse this home instead of a passing one")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "pictures")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / "var" / "numba"))
        for path in take((chosen.home or Path(passing)).resolve(), chosen.to):
            print(f"{path} {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
