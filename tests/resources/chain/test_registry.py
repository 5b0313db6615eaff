"""Which chain source goes with which market source."""

import pytest

from pipeline.errors import ConfigError
from tests.support.desk import desk_at


def test_a_simulated_market_comes_with_its_own_chain(tmp_path):
    assert desk_at(tmp_path).chain.simulated


@pytest.mark.parametrize(("source", "market"), [("node", "ccxt"), ("files", "files")])
def test_a_source_of_the_real_chain_is_not_priced_by_a_simulated_market(tmp_path, source, market):
    with pytest.raises(ConfigError, match="does not go with the market source") as caught:
        desk_at(tmp_path, overrides={"chain.source": source})
    assert caught.value.field == "chain.source"
    assert f"set source to {market}" in caught.value.fix


def test_coin_metrics_tells_its_own_prices_and_goes_with_any_market(tmp_path):
    chain = desk_at(tmp_path, overrides={"chain.source": "coinmetrics"}).chain
    assert (chain.feed, chain.priced) == ("coinmetrics", True)
