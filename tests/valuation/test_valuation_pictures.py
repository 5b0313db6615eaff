"""Thumbnails of valuation say what they show, also with other horizons than the usual ones."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.pictures import SERIES
from pipeline.valuation import pictures
from pipeline.valuation.colours import colour_of
from pipeline.valuation.falsification import pictures as board_pictures
from pipeline.valuation.falsification.board import falsify
from pipeline.valuation.falsification.rules import BoardRules
from pipeline.valuation.history import ChainHistory
from pipeline.valuation.mvrv_bands import MvrvBands
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.record import record_of
from pipeline.valuation.registry import names
from pipeline.valuation.thermocap import Thermocap
from tests.support.chain_histories import simulated_history


@pytest.fixture(scope="module")
def history():
    return simulated_history(700)


def words(monkeypatch, draw):
    """The texts of the picture that a function draws."""
    found = []
    drawn = pictures.png

    def kept(figure: Figure, title, *, simulated):
        image = drawn(figure, title, simulated=simulated)
        found.extend([title, *(each.get_text() for each in figure.findobj(lambda a: hasattr(a, "get_text")))])
        return image

    monkeypatch.setattr(pictures, "png", kept)
    assert draw().startswith(b"\x89PNG")
    return " | ".join(found)


@pytest.mark.parametrize(("horizons", "shown"), [((1, 30), 30), ((7, 14), 7)])
def test_errors_over_time_are_labelled_with_their_horizon(monkeypatch, history, horizons, shown):
    records = [record_of(PowerLaw(), history, horizons=horizons)]
    text = words(monkeypatch, lambda: pictures.error_picture(records, simulated=True))
    assert f"Error {shown} days ahead" in text


def test_cones_name_the_longest_horizon_and_mark_what_is_simulated(monkeypatch, history):
    records = [record_of(PowerLaw(), history, horizons=(1, 90))]
    text = words(monkeypatch, lambda: pictures.cone_picture(records, history, simulated=True))
    assert "up to 90 days ahead" in text
    assert "USD" in text
    assert "simulated" in text.lower()
    assert np.isfinite(records[0].walk.forecast).any()


def figure_of(monkeypatch, module, draw):
    """The figure that a function draws, drawn once so that legends have their places."""
    found = []
    drawn = module.png
    monkeypatch.setattr(module, "png", lambda figure, *a, **k: found.append(figure) or drawn(figure, *a, **k))
    draw()
    return found[0]


def colours_of(figure):
    """The colours by label of all lines that have one of a model."""
    lines = [line for axis in figure.axes for line in axis.get_lines()]
    return {line.get_label(): line.get_color() for line in lines if line.get_label() in names()}


@pytest.fixture(scope="module")
def both(history):
    return [record_of(model, history, horizons=(1, 30)) for model in (MvrvBands(), Thermocap())]


def test_models_have_colours_of_their_own():
    colours = [colour_of(name) for name in names()]
    assert len(set(colours)) == len(colours)
    assert set(colours) <= set(SERIES)
    assert colour_of("taken_out") not in colours


@pytest.mark.parametrize("order", [1, -1])
def test_a_model_has_one_colour_in_every_picture(monkeypatch, history, both, order):
    """Whoever is shown beside it, and in whatever order."""
    wanted = {each.model.name: colour_of(each.model.name) for each in both}
    shown = both[::order]
    rules = BoardRules(simulations=100, horizons=(30,), verdict_horizon=30, planted=100, planted_walks=100)
    board = falsify(history, [each.model for each in shown], rules=rules)
    drawn = [
        (pictures, lambda: pictures.cone_picture(shown, history, simulated=True)),
        (pictures, lambda: pictures.error_picture(shown, simulated=True)),
        (board_pictures, lambda: board_pictures.coverage_picture(board, simulated=True)),
        (board_pictures, lambda: board_pictures.power_picture(board, simulated=True)),
    ]
    for module, draw in drawn:
        assert colours_of(figure_of(monkeypatch, module, draw)) == wanted


def test_no_legend_lies_on_a_line_and_the_last_price_is_drawn(monkeypatch, both):
    figure = figure_of(monkeypatch, pictures, lambda: pictures.error_picture(both, simulated=True))
    (axis,) = figure.axes
    legend = axis.get_legend()
    assert legend.get_window_extent().y0 >= axis.get_window_extent().y1
    assert "last price" in [each.get_text() for each in legend.get_texts()]


def test_the_drifts_of_random_walks_are_named(monkeypatch, history):
    rules = BoardRules(simulations=100, horizons=(30,), verdict_horizon=30, planted=100, planted_walks=100)
    board = falsify(history, [PowerLaw()], rules=rules)
    figure = figure_of(
        monkeypatch, board_pictures, lambda: board_pictures.skill_picture(board, simulated=True)
    )
    named = [each.get_text() for each in figure.legends[0].get_texts()]
    assert named == [
        "random walks without drift", "random walks with the sample's drift", "random walks with twice that",
    ]  # fmt: skip


def test_the_power_law_is_drawn_over_years_and_plain_numbers(monkeypatch, history):
    law = record_of(PowerLaw(), history, horizons=(1,))
    figure = figure_of(
        monkeypatch, pictures, lambda: pictures.power_law_picture(law, history, simulated=True)
    )
    (axis,) = figure.axes
    years = [each.get_text() for each in axis.get_xticklabels()]
    assert years[:2] == ["2011", "2012"]
    prices = [each.get_text() for each in axis.get_yticklabels() if each.get_text()]
    assert all(each.replace(",", "").replace(".", "").strip("10") == "" for each in prices)


def test_a_power_law_that_nothing_was_fitted_to_in_time_is_not_drawn(history):
    late = np.full(history.n, history.known_at[-1])
    record = record_of(PowerLaw(), ChainHistory(history.date, late, history.columns), horizons=(1,))
    assert pictures.power_law_picture(record, history, simulated=True) is None
