"""Thumbnails of valuation say what they show, also with other horizons than the usual ones."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.valuation import pictures
from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.record import record_of
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
