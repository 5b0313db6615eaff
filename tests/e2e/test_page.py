"""The page at ``/`` in a real browser: what it says, at three widths, in light and dark."""

import asyncio
import io
import socket
import threading
from contextlib import contextmanager

import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.api_fuzz import app_over, board_over
from benchmarks.screenshots import FLAGS, browser_path
from tests.support.chain_histories import simulated_history

pytestmark = [pytest.mark.slow, pytest.mark.browser]

VIEWS = [(390, "light"), (768, "dark"), (1280, "light"), (1280, "dark")]


@contextmanager
def served(app):
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=30)
    listening.close()


@pytest.fixture(scope="module")
def history():
    return simulated_history(2000)


@pytest.fixture(scope="module")
def url(history):
    with served(app_over(history, board_over(history))) as told:
        yield told


@pytest.fixture(scope="module")
def browser():
    if browser_path() is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield opened
        opened.close()


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_the_page_shows_models_chart_forecasts_board_and_labels(url, browser, width, scheme, tmp_path):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.locator("body[data-ready=yes]").wait_for(timeout=60_000)
    assert said == [], "no error, and nothing that the policy refuses"
    assert all(each.startswith((url, "data:")) for each in asked), "nothing comes from elsewhere"
    assert page.locator("#labels").inner_text() == "SIMULATED"
    assert page.locator("#trouble").is_hidden()
    assert "sample through" in page.locator("#standing").inner_text()
    assert page.locator(".card").count() == 6
    assert "the oracle has no confirmed price" in page.locator("#cards").inner_text()
    assert page.locator(".card .zone").count() == 5
    assert page.locator("#chart .band").count() == 2
    assert len(page.locator("#chart .line.price").get_attribute("points").split()) > 400
    assert page.locator("#forecasts tbody tr").count() == 5
    assert page.locator("#comparison tbody tr").count() == 5
    assert page.locator("#board tbody tr").count() == 6
    assert page.locator("#board tbody tr").last.inner_text().startswith("onchain price")
    assert "not judged" in page.locator("#board tbody tr").last.inner_text()
    assert page.locator("#board .verdict .zone").count() == 5
    assert "Forecasts of 90 days through 2016-01-07" in page.locator("#board-note").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page does not scroll sideways"
    picture = tmp_path / "page.png"
    page.screenshot(path=picture, full_page=True)
    with Image.open(io.BytesIO(picture.read_bytes())) as image:
        brightness = image.convert("L").resize((1, 1)).getpixel((0, 0))
    assert (brightness < 100) == (scheme == "dark")
    page.close()


def test_a_price_that_is_old_is_set_beside_the_value_of_its_own_time(history, browser):
    """A fair value of today beside a price of last year would call anything cheap."""
    with served(app_over(history, days_later=400)) as url:
        page = browser.new_page()
        page.goto(url)
        page.locator("body[data-ready=yes]").wait_for(timeout=60_000)
        assert "STALE" in page.locator("#labels").inner_text()
        assert page.locator("#today-title").inner_text().startswith("Fair value on 2016-01-08, price")
        assert "No board of this source is stored" in page.locator("#board-note").inner_text()
        assert page.locator("#board").is_hidden()
        page.close()
