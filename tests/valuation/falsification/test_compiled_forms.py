"""The compiled form of every model says what the model says, on the path that happened."""

import numpy as np
import pytest

from pipeline.errors import InsufficientDataError
from pipeline.valuation.ensemble import Ensemble
from pipeline.valuation.falsification.arrays_of_world import room_for
from pipeline.valuation.falsification.history_run import run_history
from pipeline.valuation.falsification.kernel_worlds import rebuild
from pipeline.valuation.falsification.setting import compile_models
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.multiple import MultipleModel
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.stock_to_flow import StockToFlow
from pipeline.valuation.thermocap import Thermocap
from pipeline.valuation.walk_forward import walk_forward
from tests.support.chain_histories import real_history, simulated_history

SINGLE = (PowerLaw(), StockToFlow(), Thermocap(), MvrvBands())
ENSEMBLES = {
    "fixed": Ensemble(members=SINGLE[:3], weights=(0.4, 0.3, 0.3)),
    "fitted": Ensemble(members=SINGLE, weights="fitted"),
    "median": Ensemble(members=SINGLE, aggregation="median"),
    "median of three": Ensemble(members=SINGLE[1:], aggregation="median"),
    "min": Ensemble(members=SINGLE[:2], aggregation="min"),
    "max": Ensemble(members=SINGLE[:2], aggregation="max"),
}
HORIZONS = (30, 90, 365)


def gaps(models, history):
    """Largest gap in ln price between each model and its compiled form."""
    compiled = compile_models(models, history, HORIZONS)
    run = run_history(compiled)
    assert not compiled.refused
    for q, model in enumerate(compiled.models):
        walked = walk_forward(model, history, horizons=HORIZONS)
        said = np.full((compiled.origins.size, len(HORIZONS)), np.nan)
        here = np.isin(compiled.origins, walked.origins)
        said[here] = np.log(walked.forecast[np.isin(walked.origins, compiled.origins)])
        np.testing.assert_array_equal(np.isfinite(said), np.isfinite(run.forecasts[q].T))
        yield float(np.nanmax(np.abs(said - run.forecasts[q].T)))


@pytest.fixture(scope="module")
def history():
    return simulated_history(1400)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_forecasts_equal_the_walk_forward_of_the_model(history, name):
    assert max(gaps((*SINGLE, ENSEMBLES[name]), history)) < 1e-10


def test_forecasts_equal_the_walk_forward_where_prices_are_missing_and_rows_come_late(history):
    columns = {name: values.copy() for name, values in history.columns.items()}
    for name in ("price_usd", "realized_cap_usd"):
        columns[name][600:640] = np.nan
    known_at = history.known_at.copy()
    known_at[900] += np.timedelta64(5, "D")
    known_at[950] += np.timedelta64(100, "D")  # beyond the refits of three months
    known_at[1000] += np.timedelta64(36, "h")  # after the row that follows it
    holed = ChainHistory(history.date, known_at, columns)
    models = (*SINGLE, ENSEMBLES["fixed"])
    assert max(gaps(models, holed)) < 1e-10


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["fixed", "fitted"])
def test_forecasts_equal_the_walk_forward_on_bitcoin(real_data, name):
    assert max(gaps((*SINGLE, ENSEMBLES[name]), real_history(real_data))) < 1e-10


def test_the_newest_fit_is_the_fit_of_the_model(history):
    compiled = compile_models(SINGLE, history, HORIZONS)
    run = run_history(compiled)
    fitted = PowerLaw().fit(history).require_fitted().parameters
    assert run.slope[0] == pytest.approx(fitted.beta, rel=1e-10)
    assert run.level[0] == pytest.approx(fitted.alpha * np.log(10.0), rel=1e-10)
    multiple = Thermocap().fit(history).require_fitted().parameters.middle
    assert np.exp(run.level[2]) == pytest.approx(multiple, rel=1e-10)


def test_what_prices_make_is_rebuilt_exactly_from_the_prices_that_happened(history):
    compiled = compile_models((Thermocap(), MvrvBands()), history, HORIZONS)
    base = np.empty_like(compiled.base)
    rebuild(compiled.setting, compiled.y, base)
    np.testing.assert_allclose(base, compiled.base, atol=1e-10)


@pytest.mark.realdata
def test_thermocap_is_rebuilt_exactly_from_real_prices_and_realised_price_nearly(real_data):
    compiled = compile_models((Thermocap(), MvrvBands()), real_history(real_data), HORIZONS)
    base = np.empty_like(compiled.base)
    rebuild(compiled.setting, compiled.y, base)
    np.testing.assert_allclose(base[0], compiled.base[0], atol=1e-9)
    gap = base[1] - compiled.base[1]  # shares of coins revalued are cut at 0 and 1
    assert np.median(np.abs(gap)) < 0.05


def test_other_prices_give_other_bases_and_a_doubled_price_doubles_them(history):
    compiled = compile_models((Thermocap(), MvrvBands()), history, HORIZONS)
    setting = compiled.setting._replace(
        before=2.0 * compiled.setting.before, realised=2.0 * compiled.setting.realised
    )
    base = np.empty_like(compiled.base)
    rebuild(setting, compiled.y + np.log(2.0), base)
    np.testing.assert_allclose(base, compiled.base + np.log(2.0), atol=1e-10)


class Unknown(MultipleModel):
    name = "unknown"
    description = "a multiple of nothing that the board knows"
    required_data = ("price_usd",)

    def base(self, history):
        return np.ones(history.n)


def test_a_model_without_data_or_without_a_form_is_refused_with_the_reason(history):
    bare = ChainHistory(history.date, history.known_at, {"price_usd": history.column("price_usd")})
    compiled = compile_models((PowerLaw(), Thermocap(), Unknown()), bare, HORIZONS)
    assert [each.name for each in compiled.models] == ["power_law"]
    assert "lacks a column" in compiled.refused["thermocap"]
    assert "no compiled form" in compiled.refused["unknown"]


def test_an_ensemble_goes_on_without_the_member_that_has_no_data(history):
    columns = {name: v for name, v in history.columns.items() if name != "thermocap_usd"}
    bare = ChainHistory(history.date, history.known_at, columns)
    assert max(gaps((ENSEMBLES["fixed"],), bare)) < 1e-10


def test_a_history_without_prices_or_with_too_few_is_refused(history):
    short = history.before(history.date[200])
    with pytest.raises(InsufficientDataError, match="no model can be judged"):
        compile_models((PowerLaw(),), short, HORIZONS)
    empty = ChainHistory(history.date, history.known_at, {"price_usd": np.full(history.n, np.nan)})
    with pytest.raises(InsufficientDataError, match="no price"):
        compile_models((PowerLaw(),), empty, HORIZONS)


def test_the_room_of_a_thread_holds_the_largest_regression(history):
    setting = compile_models(SINGLE, history, HORIZONS).setting._replace(lags=30)
    assert room_for(setting).gram.shape[0] >= 34
