"""The days of the chain are read from one source, and say where they come from."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from assets.valuation.inputs import inputs_from
from pipeline.errors import ConfigError, InsufficientDataError


def rows(feed="files", days=3, *, simulated=False, vintage="latest_revision"):
    stamps = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(days)]
    return pl.DataFrame(
        {
            "feed": [feed] * days,
            "ts": stamps,
            "known_at": [each + timedelta(days=2) for each in stamps],
            "price_usd": [100.0] * days,
            "height": [600_000 + day for day in range(days)],
            "vintage": [vintage] * days,
            "simulated": [simulated] * days,
        }
    )


def test_the_history_says_whose_it_is():
    read = inputs_from(rows())
    assert (read.feed, read.simulated, read.latest_revision, read.history.n) == ("files", False, True, 3)
    made = inputs_from(rows("sample", simulated=True, vintage="as_published"))
    assert (made.feed, made.simulated, made.latest_revision) == ("sample", True, False)


def test_no_day_is_an_error_that_says_what_to_do():
    with pytest.raises(InsufficientDataError) as refused:
        inputs_from(rows(days=0), feed="node")
    assert refused.value.exit_code == 2
    assert "node" in refused.value.what
    assert "chain.metrics_daily" in refused.value.fix


def test_of_several_sources_one_must_be_named():
    with pytest.raises(ConfigError) as refused:
        inputs_from(pl.concat([rows(), rows("sample")]))
    assert refused.value.field == "--feed"
