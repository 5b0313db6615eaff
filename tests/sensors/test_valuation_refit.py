"""The refit schedule names the month, so that a lost cursor or a second firing makes no second run."""

from datetime import UTC, datetime

import dagster as dg

from sensors.valuation_refit import run_key_of, valuation_refit


def test_a_month_has_one_name():
    first, again = datetime(2026, 3, 1, 14, 20, tzinfo=UTC), datetime(2026, 3, 1, 14, 25, tzinfo=UTC)
    assert run_key_of(first) == run_key_of(again) == "valuation-refit:2026-03"
    assert run_key_of(datetime(2026, 4, 1, 14, 20, tzinfo=UTC)) != run_key_of(first)


def test_the_schedule_asks_for_the_run_of_its_month():
    @dg.asset
    def anything() -> None:
        """Stand in for valuation."""

    schedule = valuation_refit(dg.define_asset_job("valuation", selection=[anything]))
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 3, 1, 14, 20, tzinfo=UTC))
    asked = schedule(context)
    assert asked.run_key == "valuation-refit:2026-03"
    assert asked.tags["cause"] == "schedule"
