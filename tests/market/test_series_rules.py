"""Each rule names its own damage on a walk, and keeps silent on the walk itself and on too little."""

import numpy as np
import polars as pl
import pytest

from pipeline.market.bars import BarState
from pipeline.market.findings import Severity
from pipeline.market.series_rules import SERIES_RULES, series_findings, unaccepted

N, AT = 400, 200
PRICES = ("open", "high", "low", "close")
ROW = pl.int_range(pl.len())


def walk(symbol: str = "BTC/USD", level: float = 5000.0, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = level * np.exp(np.cumsum(rng.normal(0.0, 0.01, N)))
    opened = np.concatenate(([level], close[:-1]))
    stamps = pl.Series("ts", np.datetime64("2022-01-01", "us") + np.arange(N) * np.timedelta64(4, "h"))
    return pl.DataFrame(
        {
            "symbol": [symbol] * N,
            "ts": stamps.dt.replace_time_zone("UTC"),
            "open": opened,
            "high": np.maximum(opened, close) * (1 + rng.uniform(0.0, 0.01, N)),
            "low": np.minimum(opened, close) * (1 - rng.uniform(0.0, 0.01, N)),
            "close": close,
            "volume": 50.0 * np.exp(rng.normal(0.0, 0.4, N)),
        }
    )


def on(length: int, **values: pl.Expr) -> pl.DataFrame:
    hit = ROW.is_between(AT, AT + length - 1)
    return walk().with_columns(pl.when(hit).then(e).otherwise(c).alias(c) for c, e in values.items())


def times(factor: float, columns=PRICES) -> dict[str, pl.Expr]:
    return {c: pl.col(c) * factor for c in columns}


def frozen(length: int) -> pl.DataFrame:
    row = walk().row(AT - 1, named=True)
    return on(length, **{c: pl.lit(row[c]) for c in PRICES})


def filled(length: int) -> pl.DataFrame:
    close = walk()["close"].to_list()[AT - 1]
    return on(length, **{c: pl.lit(close) for c in PRICES}, volume=pl.lit(0.0))


def line(length: int) -> pl.DataFrame:
    return on(length, **{c: pl.lit(5000.0) + 3.0 * ROW for c in PRICES})


def old(length: int) -> pl.DataFrame:
    return on(length, **{c: pl.col(c).shift(150) for c in (*PRICES, "volume")})


def rules(bars: pl.DataFrame) -> set[str]:
    return {finding.rule for finding in series_findings(bars)}


CASES = {
    "filled": filled(3),
    "frozen": frozen(4),
    "straight_line": line(5),
    "zero_volume": on(5, volume=pl.lit(0.0)),
    "repeated_history": old(6),
    "split_jump": on(N, **times(0.5), volume=pl.col("volume") * 2),
    "unit_change": on(N, **times(100.0)),
    "spike": on(1, close=pl.col("close") * 1.8, high=pl.col("high") * 1.8),
    "wick": on(1, high=pl.col("high") * 5),
    "swapped_volume": on(10, volume=pl.col("volume") * pl.col("close")),
    "jump": on(N, **times(5.5)),
    "overnight_gap": on(N, **times(1.65)),
    "constant_prices": walk().with_columns(close=pl.lit(5.0)),
    "copied_symbol": pl.concat([walk(), walk("ETH/USD")]),
}


def test_a_walk_breaks_no_rule():
    assert all(rules(walk(seed=seed)) == set() for seed in range(20))
    assert rules(pl.concat([walk(), walk("ETH/USD", 300.0, seed=2)])) == set()


def test_every_rule_has_a_case():
    assert set(CASES) == {rule.name for rule in SERIES_RULES}


@pytest.mark.parametrize("rule", CASES)
def test_each_damage_is_named(rule):
    assert rule in rules(CASES[rule])


def test_volume_in_the_other_currency_is_named_on_busy_and_on_quiet_bars_too():
    busy = pl.Series([6.0, 0.15, 5.0, 0.2, 7.0])
    swapped = on(5, volume=pl.col("volume") * pl.col("close")).with_columns(
        volume=pl.when(ROW.is_between(AT, AT + 4))
        .then(pl.col("volume") * pl.lit(busy).gather((ROW - AT).clip(0, 4)))
        .otherwise("volume")
    )
    assert rules(swapped) == {"swapped_volume"}


@pytest.mark.parametrize("factor", [20.0, 0.05])
@pytest.mark.parametrize("level", [120.0, 5000.0, 60_000.0])
def test_a_day_of_twenty_times_the_volume_or_a_twentieth_is_only_busy_or_quiet(level, factor):
    rows = walk(level=level).with_columns(
        volume=pl.when(ROW.is_between(AT, AT + 5)).then(pl.col("volume") * factor).otherwise("volume")
    )
    assert rules(rows) == set()


def test_a_finding_says_where_it_begins_and_ends_and_how_long_it_is():
    (finding,) = series_findings(frozen(7))
    bars = walk()
    assert (finding.rule, finding.severity, finding.count) == ("frozen", Severity.ERROR, 7)
    assert (finding.ts, finding.last) == (bars["ts"][AT], bars["ts"][AT + 6])


@pytest.mark.parametrize("short", [filled(2), frozen(3), line(4), old(5), on(4, volume=pl.lit(0.0))])
def test_a_stretch_below_its_limit_is_not_named(short):
    assert rules(short) == set()


def test_imputed_bars_are_ours_and_are_not_judged():
    state = pl.when(pl.col("volume") == 0).then(pl.lit(str(BarState.IMPUTED))).otherwise(pl.lit("final"))
    assert rules(filled(8).with_columns(state=state)) == set()


def test_a_known_split_explains_its_step():
    bars = CASES["split_jump"]
    known = bars[AT : AT + 1].select("symbol", "ts")
    assert series_findings(bars, splits=known) == []


def test_a_night_of_news_is_no_split_because_it_is_traded():
    news = on(1, **times(0.5), volume=pl.col("volume") * 30)
    after = news.with_columns(pl.when(ROW > AT).then(pl.col(c) * 0.5).otherwise(c).alias(c) for c in PRICES)
    wild = after.with_columns(high=pl.when(ROW == AT).then(pl.col("high") * 1.2).otherwise("high"))
    assert "split_jump" not in rules(wild)


def test_findings_are_accepted_by_rule_and_symbol_or_by_day():
    found = series_findings(CASES["unit_change"])
    day = f"{found[0].ts:%Y-%m-%d}"
    assert unaccepted(found, ["unit_change BTC/USD", "jump BTC/USD", "overnight_gap BTC/USD"]) == []
    assert [f.rule for f in unaccepted(found, [f"unit_change BTC/USD {day}"])] == ["jump", "overnight_gap"]
    assert unaccepted(found, ["unit_change ETH/USD"]) == found


def test_nothing_and_one_row_are_judged_without_a_word():
    assert series_findings(walk().clear()) == []
    assert series_findings(walk()[:1]) == []
