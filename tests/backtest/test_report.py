"""The report opens offline, leads with what a reader must know, and shows the numbers of the run."""

import base64
import dataclasses
import functools
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from pipeline.backtest.report import report_html
from pipeline.backtest.report_charts import bins
from pipeline.backtest.report_headline import headline
from pipeline.backtest.report_page import shown, text
from pipeline.backtest.report_tables import MOST_TRADES
from tests.support.small_run import small_book, small_run

DASH = "\N{EN DASH}"
VOID = {"meta", "br", "img"}


class Reader(HTMLParser):
    """What a person sees, the order of its parts, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.stack, self.words, self.tags, self.rows = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.stack):
            self.words.append(data)
            if {"td", "th"} & set(self.stack[-1:]):
                self.rows[-1][-1] += data


@functools.cache
def own(page: str) -> str:
    """The page without plotly itself."""
    plotly = get_plotlyjs()
    assert page.count(plotly) == 1
    return page.replace(plotly, "")


@functools.cache
def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(own(page))
    reader.close()
    assert reader.stack == []
    return reader


def table_under(page: str, heading: str) -> list[list[str]]:
    part = own(page).split(f"<h2>{heading}")[1].split("</section>")[0]
    reader = Reader()
    reader.feed(f"<h2>{part}</section>".replace("</section>", ""))
    return reader.rows


def drawn(page: str, chart: str) -> list[dict]:
    """The traces of a chart, as the browser gets them."""
    begin = re.search(rf'Plotly\.newPlot\(\s*"chart-{chart}",\s*', own(page))
    return json.JSONDecoder().raw_decode(own(page)[begin.end() :])[0]


def values(trace: dict, axis: str = "y") -> np.ndarray:
    packed = trace[axis]
    return np.frombuffer(base64.b64decode(packed["bdata"]), dtype=packed["dtype"])


@pytest.fixture(scope="module")
def run():
    return small_run()


@pytest.fixture(scope="module")
def row(run):
    return {
        "run_id": "run-1", "kind": "research", "digest": run.digest, "data_hash": "d" * 64,
        "config_hash": "c" * 64, "code_version": "0.1.0", **dataclasses.asdict(run.metrics), "calmar": None,
    }  # fmt: skip


@pytest.fixture(scope="module")
def page(run, row):
    return report_html(run, row)


def test_the_page_is_well_formed_and_carries_plotly_once(page):
    tags = read(page).tags
    assert [tag for tag, _ in tags].count("html") == 1
    assert len(page) < 6_000_000


def test_the_page_loads_nothing_and_forbids_it(page):
    reader = read(page)
    assert not [attrs for _, attrs in reader.tags if {"src", "href", "srcset", "data"} & set(attrs)]
    policy = [attrs["content"] for tag, attrs in reader.tags if attrs.get("http-equiv")]
    assert policy[0].startswith("default-src 'none'")
    assert "http" not in policy[0]
    without_config = re.sub(r'"plotlyServerURL":\s*"[^"]*"', "", own(page))
    assert not re.findall(r"https?://|url\(|@import", without_config)


def test_the_same_run_gives_the_same_page(page, row):
    assert report_html(small_run(), row) == page


def test_made_up_prices_are_said_first_and_in_every_section(page):
    reader = read(page)
    words = [word.strip() for word in reader.words if word.strip()]
    assert "SIMULATED" in words[0]
    assert words[1].startswith("SIMULATED: the prices of feed sample are made up")
    headings = [tag for tag, _ in reader.tags].count("h2")
    assert words.count("SIMULATED") == headings > 8


def test_real_prices_are_never_called_simulated():
    real = small_run(simulated=False)
    assert "SIMULATED" not in own(report_html(real, {}))


def test_flags_come_before_numbers_and_pictures(run, page):
    body = own(page).split("<body>")[1]
    places = [body.index(f"<h2>{name}") for name in ("What a reader", "Headline", "Equity", "Trades")]
    assert places == sorted(places)
    for flag in run.flags:
        assert places[0] < body.index(text(flag.text)) < places[1]


def test_headline_numbers_are_those_of_the_run(run, page):
    table = {line[0]: line[1] for line in table_under(page, "Headline numbers")}
    metrics = run.metrics
    assert table["CAGR"] == f"{100 * metrics.cagr:.2f} %"
    assert table["Largest drawdown"] == f"{100 * metrics.max_drawdown:.2f} %"
    assert table["Sharpe, daily NAV"] == f"{metrics.sharpe:.2f} ± {metrics.sharpe_se:.2f}"
    assert table["Fills"] == f"{run.simulation.fills.size:,}"
    assert table["NAV at the end"] == f"{run.simulation.nav[-1]:,.0f}"


def test_every_metric_is_on_the_page(run, row, page):
    assert headline(run, row) in page
    for name in dataclasses.asdict(run.metrics):
        assert headline(run, {**row, name: 7654.321}) != headline(run, row), name


def test_what_is_unknown_is_a_dash_and_never_a_number(page):
    table = {line[0]: line[1] for line in table_under(page, "Headline numbers")}
    assert table["Calmar"] == DASH
    idle = report_html(small_run(days=20, most=0.0), {})
    table = {line[0]: line[1] for line in table_under(idle, "Headline numbers")}
    assert [table[name] for name in ("CAGR", "Sharpe, daily NAV", "Win rate", "Profit factor")] == [DASH] * 4
    for made in (page, idle):
        assert not {"nan", "None", "inf"} & {word.strip() for word in read(made).words}


def test_a_run_without_trades_says_so_loudly():
    idle = report_html(small_run(days=20, most=0.0), {})
    assert '<li class="loud">NO TRADES' in idle
    assert "chart-weights" not in own(idle)


def test_everything_from_a_run_is_escaped(run, row):
    nasty = "<script>alert(1)</script><b>\"'&"
    symbols = (nasty, *run.simulation.symbols[1:])
    flag = dataclasses.replace(run.flags[0], name=nasty, text=nasty)
    evil = dataclasses.replace(
        run, strategy=nasty, version=nasty, universe=(nasty,), flags=(flag,),
        parameters={nasty: nasty, "nested": {nasty: [nasty]}},
        provenance=dataclasses.replace(run.provenance, source=nasty),
        simulation=dataclasses.replace(run.simulation, symbols=symbols),
    )  # fmt: skip
    reader = read(report_html(evil, {**row, "run_id": nasty, nasty: nasty}))
    assert "alert(1)" in "".join(reader.words)
    plain = [tag for tag, _ in read(report_html(run, row)).tags]
    for tag in ("script", "b"):
        assert [name for name, _ in reader.tags].count(tag) == plain.count(tag)
    assert "<b>" not in json.dumps([trace["name"] for trace in drawn(report_html(evil, row), "weights")])


def test_the_browser_gets_nav_and_drawdown_of_every_bar_at_its_decision(run, page):
    nav, fall = drawn(page, "equity")[:2]
    np.testing.assert_allclose(values(nav), run.simulation.nav, rtol=1e-6)
    np.testing.assert_allclose(values(fall), -run.simulation.drawdown, atol=1e-7)
    first, step = np.datetime64(nav["x0"]), np.timedelta64(nav["dx"], "ms")
    decisions = run.simulation.ts + np.timedelta64(4, "h")
    assert np.array_equal(first + np.arange(decisions.size) * step, decisions)


def test_steps_of_positions_and_weights_rebuild_every_bar(run, page):
    done = run.simulation
    decisions = done.ts + np.timedelta64(4, "h")
    for chart, series in (("weights", done.target), ("positions", done.quantity)):
        for column, trace in enumerate(drawn(page, chart)[: len(done.symbols)]):
            assert trace["name"] == done.symbols[column]
            at = np.array(trace["x"], dtype="datetime64[us]")
            last = np.searchsorted(at, decisions, side="right") - 1
            np.testing.assert_allclose(values(trace)[last], series[:, column], rtol=1e-6, atol=1e-7)


def test_the_first_500_trades_are_listed_and_the_rest_counted(run):
    many = small_run(days=700, parameters={"bars": 12})
    fills = many.simulation.fills
    assert fills.size > MOST_TRADES
    page = report_html(many, {})
    rows = table_under(page, "Trades")[1:]
    assert len(rows) == 500
    assert f"{fills.size - 500:,} more fills" in page
    assert rows[0][1] == many.simulation.symbols[fills["asset"][0]]
    assert rows[0][2] == ("buy" if fills["quantity"][0] > 0 else "sell")
    assert all(rows[k][5] == f"{fills['price'][k]:,.6g}" for k in range(500))


def test_costs_add_up_to_those_of_the_fills(run, page):
    fills, rows = run.simulation.fills, table_under(page, "Costs")[1:]
    paid = {line[0]: float(line[5].replace(",", "")) for line in rows}
    assert paid["All"] == pytest.approx(float(fills["fee"].sum() + fills["slippage"].sum()), abs=0.51)
    assert sum(paid.values()) - paid["All"] == pytest.approx(paid["All"], abs=2.0)
    fee, slippage = drawn(page, "costs")
    assert values(fee)[-1] == pytest.approx(fills["fee"].sum(), rel=1e-6)
    assert values(slippage)[-1] == pytest.approx(fills["slippage"].sum(), rel=1e-6)


def test_round_trips_are_counted_in_even_bins_that_part_at_zero(run, page):
    closed = run.simulation.trips["return_"][run.simulation.trips["exit_row"] >= 0]
    counts, middles, width = bins(closed)
    edges = np.append(np.array(middles) - width / 2, middles[-1] + width / 2)
    assert np.histogram(closed, edges)[0].tolist() == counts
    assert min(abs(edges)) < 1e-12 or edges.min() > 0 or edges.max() < 0
    assert len(counts) <= 40
    assert sum(int(line[1]) for line in table_under(page, "Round trips")[1:]) == closed.size


def test_dividends_stand_beside_the_profit_of_the_round_trips_they_are_part_of(run):
    done = run.simulation
    trips = done.trips.copy()
    trips["dividends"][trips["asset"] == 0] = 12.5
    first, second, third = done.symbols
    where = dataclasses.replace(run.provenance, pays=(first,), adjustment={second: "split_dividend"})
    changed = {"simulation": dataclasses.replace(done, trips=trips), "provenance": where}
    page = report_html(dataclasses.replace(run, **changed), {})
    head, *rows = table_under(page, "Round trips")
    place = head.index("Of it dividends")
    closed = int(((trips["asset"] == 0) & (trips["exit_row"] >= 0)).sum())
    paid = {line[0]: line[place] for line in rows}
    assert float(paid[first].replace(",", "")) == pytest.approx(12.5 * closed, abs=0.51)
    assert (paid[second], paid[third]) == ("in the price", DASH)
    assert "Interest on cash, earned or owed, belongs to the account" in own(page)


@pytest.fixture(scope="module")
def book():
    return small_book()


def test_the_strategies_of_a_book_are_told_with_budget_trades_contribution_and_correlation(book):
    page = report_html(book, {})
    rows = table_under(page, "Strategies")
    head, lines, correlated = rows[0], rows[1:4], rows[4:]
    told = {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in lines}
    assert list(told) == ["Often", "Rarely", "Never"]
    for member in book.book.members:
        own_row = told[member.strategy]
        assert own_row["Version"] == member.version
        assert own_row["Mean budget"] == shown(member.budget, "percent")
        assert own_row["Trades"] == f"{member.trades:,}"
        assert own_row["Contribution"] == shown(member.contribution, "percent")
    assert int(told["Often"]["Trades"]) > int(told["Rarely"]["Trades"]) > int(told["Never"]["Trades"]) == 0
    assert correlated[0] == ["Correlation", "Often", "Rarely", "Never"]
    often, rarely = (member.daily_returns for member in book.book.members[:2])
    assert correlated[1][1:] == ["1.00", f"{np.corrcoef(often, rarely)[0, 1]:.2f}", DASH]
    assert correlated[3][1:] == [DASH, DASH, DASH]


def test_a_run_of_one_strategy_has_no_table_of_strategies(page):
    assert "<h2>Strategies" not in page


@pytest.mark.parametrize("gains", [[0.0], [0.01], [-0.02, -0.02], [0.5, -0.5], [1e-9, 1.0]])
def test_any_round_trips_can_be_binned(gains):
    counts, middles, _ = bins(np.array(gains))
    assert sum(counts) == len(gains)
    assert len(middles) == len(counts) <= 40


def test_settings_and_hashes_allow_to_run_it_again(run, row, page):
    table = {line[0]: line[1] for line in table_under(page, "Settings and hashes") if len(line) > 1}
    assert table["Digest of the series"] == run.digest
    assert table["Hash of the settings"] == row["config_hash"]
    assert table["bars"] == "30"
    assert table["per_asset_cap"] == "0.4"
    assert (table["class_caps.crypto"], table["costs.equity.slippage_bps"]) == ("0.2", "5.0")
    assert table["carry_unfilled"] == "no"


def test_identity_is_written_for_people(run, row):
    at = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    told = {"started_at": at, "seconds": 0.4211, "bars": 2400, "new_thing": True,
            "restatement": {"sharpe_as_known": 0.3111, "sharpe_latest": None}}  # fmt: skip
    page = report_html(run, row | told)
    table = {line[0]: line[1] for line in table_under(page, "Settings and hashes") if len(line) > 1}
    assert table["Started, UTC"] == "2024-05-06 07:08:09"
    assert (table["Took, seconds"], table["Decisions"], table["new thing"]) == ("0.42", "2,400", "yes")
    assert (table["Sharpe as known"], table["Sharpe latest"]) == ("0.31", DASH)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (0.12345, "percent", "12.35 %"),
        (-0.00001, "percent", "0.00 %"),
        (1234567.0, "money", "1,234,567"),
        (12.5, "money", "12.50"),
        (None, "ratio", DASH),
        (float("nan"), "count", DASH),
        (7, "count", "7"),
    ],
)
def test_numbers_are_written_for_people(value, kind, expected):
    assert shown(value, kind) == expected
