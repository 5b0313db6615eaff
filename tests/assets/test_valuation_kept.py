"""A valuation is shown again without a walk while nothing that it depends on has changed, and only then."""

from datetime import timedelta

import dagster as dg
import polars as pl
import pytest

from assets import manifests
from assets.valuation import kept
from assets.valuation.assets import valuation_assets
from pipeline.pictures import undrawn
from pipeline.valuation import record
from resources.chain.nothing import NoChain
from resources.clock import SimulatedClock
from resources.warehouse import WarehouseResource
from tests.support.chain_histories import simulated_history
from tests.support.desk import QUIET, desk_at
from warehouse.tables import BACKTESTS, METRICS_DAILY, MODELS, PREDICTIONS

CHAIN = NoChain("sample", "nothing is asked of it")
DAYS = 500
TABLES = (MODELS, PREDICTIONS, BACKTESTS)


def chain_rows(days=DAYS):
    history = simulated_history(days)
    named = {name: values for name, values in history.columns.items() if name in METRICS_DAILY.names}
    rest = [name for name in METRICS_DAILY.names if name not in named]
    return pl.DataFrame({**named, **dict.fromkeys(rest)}).with_columns(
        feed=pl.lit(CHAIN.feed),
        ts=pl.Series(history.date.astype("datetime64[us]")).dt.replace_time_zone("UTC"),
        known_at=pl.Series(history.known_at).dt.replace_time_zone("UTC"),
        height=pl.col("height").cast(pl.Int32),
        height_source=pl.lit("chain"),
        source=pl.lit("test"),
        vintage=pl.lit("as_published"),
        simulated=pl.lit(value=True),
    )


class Runs:
    """Runs of the assets over one warehouse and one instance, a day apart; ``walks`` counts models walked."""

    def __init__(self, home, monkeypatch):
        self.home, self.instance, self.walks = home, dg.DagsterInstance.ephemeral(), 0
        rows = chain_rows()
        self.now = rows["known_at"].max() + timedelta(days=3)
        self.store(rows)
        own = record.record_of

        def counted(*told, **named):
            self.walks += 1
            return own(*told, **named)

        monkeypatch.setattr(record, "record_of", counted)

    def desk(self, overrides=None):
        return desk_at(self.home, self.now, overrides)

    def store(self, rows):
        self.desk().warehouse.append(METRICS_DAILY, rows)

    def __call__(self, **overrides):
        """Return the metadata of each table, by name, and whether a model walked."""
        before, self.now = self.walks, self.now + timedelta(days=1)
        desk = self.desk({"valuation." + name.replace("__", "."): value for name, value in overrides.items()})
        with undrawn():
            done = dg.materialize(
                valuation_assets(),
                resources={
                    "chain": CHAIN,
                    "warehouse": WarehouseResource.around(desk.warehouse),
                    "clock": SimulatedClock(self.now),
                    "settings": desk.loaded,
                },
                instance=self.instance,
                run_config=QUIET,
            )
        assert done.success
        self.steps = {each.step_key for each in done.get_step_success_events()}
        self.checks = {each.check_name: each for each in done.get_asset_check_evaluations()}
        told = {
            "/".join(each.asset_key.path): {
                name: shown.value for name, shown in each.materialization.metadata.items()
            }
            for each in done.get_asset_materialization_events()
        }
        return told, self.walks > before


@pytest.fixture
def run(tmp_path, monkeypatch):
    return Runs(tmp_path, monkeypatch)


def counts(run):
    with run.desk().warehouse.read() as cursor:
        return [cursor.execute(f"SELECT count(*) FROM {each.full_name}").fetchone()[0] for each in TABLES]


def test_nothing_new_is_shown_again_without_a_walk(run):
    first, walked = run()
    assert walked
    assert all(told["walked"] for told in first.values())
    before = counts(run)
    for _ in range(2):
        again, walked = run()
        assert not walked
        assert counts(run) == before
        for table in first:
            same = set(first[table]) - {"walked", "inserted", "unchanged"}
            assert {name: again[table][name] for name in same} == {name: first[table][name] for name in same}
            assert not again[table]["walked"]
            assert again[table]["inserted"] == 0.0
            assert again[table]["unchanged"] == first[table]["inserted"] > 0.0
            assert again[table]["dagster/row_count"] == first[table]["dagster/row_count"]
            assert "data:image/png" in again[table]["picture"]


def test_a_changed_price_of_an_old_day_makes_models_walk(run):
    run()
    rows = chain_rows()
    run.store(rows[40:41].with_columns(pl.col("price_usd") * 1.5))
    told, walked = run()
    assert walked
    assert told["valuation/models"]["revised"] > 0.0
    assert not run()[1]


@pytest.mark.parametrize(
    ("place", "change", "days_earlier"),
    [
        pytest.param(DAYS - 1, pl.lit(None, pl.Float64), 3, id="the newest price is withdrawn at once"),
        pytest.param(DAYS - 1, pl.lit(None, pl.Float64), 0, id="the newest price is withdrawn late"),
        pytest.param(450, pl.col("price_usd") * 1.5, 0, id="an old price is revised late"),
    ],
)
def test_rows_that_a_walk_no_longer_gives_stay_stored_and_are_not_shown_again(
    run, place, change, days_earlier
):
    run.now -= timedelta(days=days_earlier)
    run()
    before = counts(run)
    run.store(chain_rows()[place : place + 1].with_columns(price_usd=change))
    told, walked = run()
    assert walked
    assert any(told[each]["dagster/row_count"] < n for each, n in zip(told, counts(run), strict=True))
    assert all(n >= earlier for n, earlier in zip(counts(run), before, strict=True))
    for _ in range(2):
        again, walked = run()
        assert not walked
        for table in told:
            same = set(told[table]) - {"walked", "inserted", "revised", "unchanged"}
            assert {name: again[table][name] for name in same} == {name: told[table][name] for name in same}


def test_a_stored_number_that_was_changed_makes_models_walk(run):
    run()
    with run.desk().warehouse.write() as cursor:
        cursor.execute("UPDATE valuation.predictions SET predicted_price = 1.0 WHERE horizon_days = 30")
    told, walked = run()
    assert walked
    assert told["valuation/predictions"]["revised"] > 0.0
    assert not run()[1]


def test_a_new_day_makes_models_walk_and_the_next_run_not(run):
    run()
    run.store(chain_rows(DAYS + 1)[-1:])
    run.now += timedelta(days=2)
    assert run()[1]
    assert not run()[1]


def test_a_changed_setting_makes_models_walk_and_so_does_going_back(run):
    run()
    assert run(zones__overvalued_above=0.9)[1]
    assert not run(zones__overvalued_above=0.9)[1]
    assert run()[1]


@pytest.mark.parametrize(
    ("module", "name"),
    [(manifests, "code_version"), (manifests, "library_versions"), (kept, "code_text")],
)
def test_other_code_makes_models_walk(run, monkeypatch, module, name):
    run()
    monkeypatch.setattr(module, name, lambda: {"numpy": "0"} if name == "library_versions" else "other")
    assert run()[1]
    assert not run()[1]


def test_models_walk_where_rows_or_pictures_of_the_last_run_are_gone(run):
    run()
    with run.desk().warehouse.write() as cursor:
        cursor.execute("DELETE FROM valuation.predictions WHERE horizon_days = 30")
    told, walked = run()
    assert walked
    assert told["valuation/predictions"]["inserted"] > 0.0
    run.instance = dg.DagsterInstance.ephemeral()
    assert run()[1]
    assert not run()[1]
