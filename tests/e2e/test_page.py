"""The page at ``/`` in a real browser: what it says, at three widths, in light and dark."""

import asyncio
import io
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.api_fuzz import app_over, board_over
from benchmarks.screenshots import FLAGS, browser_path
from service.api.keys import Keys
from service.api.refresh import State
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


def at_rest(app):
    """Return the keeper of an app, which keeps the state that a test gives it."""
    keeper = app.state.service.keeper
    keeper._stopped.set()
    return keeper


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
    assert page.locator("#comparison tbody tr").count() == 6
    assert page.locator("#comparison tbody tr").last.inner_text().startswith("last price")
    assert "None of them is better than that" in page.locator("#compare-note").inner_text()
    assert page.locator("#compare-computing").is_hidden()
    assert page.locator("#board-computing").is_hidden()
    assert page.locator("#today-note").inner_text() == "Models are fitted on all days through 2016-01-07."
    for cell in page.locator(".one-sided").all():
        estimate, between, *_ = cell.locator("..").inner_text().replace("\t", "\n").splitlines()
        assert estimate in between.split(" to "), "said where an end of the interval is the estimate"
    assert page.locator(".one-sided").count() == 4
    assert "gradient" in page.locator(".wide").first.evaluate("it => getComputedStyle(it).backgroundImage")
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


@pytest.mark.parametrize(
    ("least", "most", "labels"),
    [(4.1, 5.4, [20_000, 50_000, 100_000, 200_000]), (-1.2, 3.1, [0.1, 1, 10, 100, 1000])],
)
def test_a_price_axis_of_few_decades_has_steps_between_them(url, browser, least, most, labels):
    page = browser.new_page()
    page.goto(url)
    page.locator("body[data-ready=yes]").wait_for(timeout=60_000)
    assert page.evaluate(f"ticksBetween({least}, {most})") == labels
    page.close()


def test_tables_that_take_long_say_that_they_are_computed(history, browser):
    with served(app_over(history, board_over(history))) as url:
        page = browser.new_page()
        held = []

        def hold(route):
            held.append(route)

        page.route("**/models/compare*", hold)
        page.goto(url)
        page.locator("#forecasts tbody tr").first.wait_for(timeout=60_000)
        assert page.locator("#compare-computing").inner_text() == "computing..."
        assert page.locator("#board-computing").is_visible()
        held[0].continue_()
        page.locator("#board tbody tr").first.wait_for(timeout=60_000)
        assert page.locator("#compare-computing").is_hidden()
        page.close()


def test_a_key_that_opens_nothing_is_told_and_can_be_typed_again(history, browser):
    app = app_over(history)
    key = "a-key-of-the-page-0123"
    object.__setattr__(app.state.service, "keys", Keys((key,)))
    with served(app) as url:
        page = browser.new_page()
        page.goto(url)
        page.locator("#locked").wait_for()
        assert page.locator("#refused").is_hidden()
        for wrong in ("another key", "schlüssel€"):
            page.fill("#key", wrong)
            page.click("#unlock button")
            page.locator("#refused").wait_for()
            assert page.locator("#trouble").is_hidden()
        page.fill("#key", key)
        page.click("#unlock button")
        page.locator("body[data-ready=yes]").wait_for(timeout=60_000)
        assert page.locator("#locked").is_hidden()
        assert page.locator(".card").count() == 6
        page.close()


def test_without_a_power_law_the_other_models_are_shown(history, browser):
    app = app_over(history)
    keeper = at_rest(app)
    models = {name: each for name, each in keeper.state.copy.models.items() if name != "power_law"}
    keeper.state = replace(keeper.state, copy=replace(keeper.state.copy, models=models))
    with served(app) as url:
        page = browser.new_page()
        page.goto(url)
        page.locator("body[data-ready=yes]").wait_for(timeout=60_000)
        assert page.locator("#trouble").is_hidden()
        assert page.locator("#law").is_hidden()
        assert page.locator("#comparison tbody tr").count() == 5
        page.close()


def test_a_page_that_was_opened_too_early_fills_itself(history, browser):
    app = app_over(history)
    keeper = at_rest(app)
    made, keeper.state = keeper.state, State()
    with served(app) as url:
        page = browser.new_page()
        page.goto(url)
        page.locator("body[data-ready=yes]").wait_for()
        assert "run make run or bells data update" in page.locator("#standing").inner_text()
        keeper.state = made
        page.locator(".card").first.wait_for(timeout=15_000)
        page.close()


def test_words_that_come_from_elsewhere_are_shown_as_words(history, browser):
    app = app_over(history)
    keeper = at_rest(app)
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    held = keeper.state.copy
    keeper.state = replace(
        keeper.state, trouble=evil, copy=replace(held, reasons={**held.reasons, "onchain_price": evil})
    )
    with served(app) as url:
        page = browser.new_page()
        page.goto(url)
        page.locator("body[data-ready=yes]").wait_for(timeout=60_000)
        assert evil in page.locator("#trouble").inner_text()
        assert evil in page.locator("#cards").inner_text()
        assert page.locator("img").count() == 0
        page.close()
