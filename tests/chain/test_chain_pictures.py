"""The picture of the chain: labels that a person reads at once, lines that say what they are."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipeline.chain import pictures
from pipeline.chain.pictures import chain_lines, log_ticks, plain_number

START = datetime(2019, 1, 1, tzinfo=UTC)


@pytest.fixture
def drawn(monkeypatch):
    """Return the axes of the picture of 400 days in which only the Puell multiple is unknown."""
    kept = []
    monkeypatch.setattr(pictures, "png", lambda figure, title, *, simulated: kept.append(figure) or b"")
    days = pl.DataFrame(
        {
            "ts": [START + timedelta(days=n) for n in range(400)],
            "market_cap_usd": [7e10 * 1.01**n for n in range(400)],
            "realized_cap_usd": [8e10 * 1.005**n for n in range(400)],
            "thermocap_usd": [1e10 + 1e7 * n for n in range(400)],
            "hash_rate_ths": [4e7 * 1.004**n for n in range(400)],
            "s2f": [25.0 + n / 10.0 for n in range(400)],
            "puell": pl.Series([None] * 400, dtype=pl.Float64),
            "simulated": [False] * 400,
        }
    )
    chain_lines(days, "chain")
    (figure,) = kept
    figure.canvas.draw()
    return figure.axes


def labels(axis):
    """Return the texts beside an axis and their sizes, as they are drawn."""
    shown = [*axis.yaxis.get_ticklabels(which="major"), *axis.yaxis.get_ticklabels(which="minor")]
    return [(text.get_text(), text.get_fontsize(), text.get_color()) for text in shown if text.get_text()]


def test_labels_of_logarithmic_axes_are_plain_numbers_of_one_style(drawn):
    money, hash_rate, flow, _ = drawn
    assert [text for text, _, _ in labels(money)] == ["10B", "100B", "1T"]
    assert [text for text, _, _ in labels(hash_rate)] == ["50M", "100M"]
    assert {(size, colour) for axis in drawn for _, size, colour in labels(axis)} == {(7.0, pictures.WEAK)}
    assert [text for text, _, _ in labels(flow)] == ["30", "40", "50", "60"]


def test_several_lines_have_a_legend_and_what_is_unknown_says_so(drawn):
    money, hash_rate, _, puell = drawn
    legend = [text.get_text() for text in money.get_legend().get_texts()]
    assert legend == ["market cap", "realised cap", "thermocap"]
    assert hash_rate.get_legend() is None
    assert [text.get_text() for text in puell.texts] == ["unknown"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (4e7, 3e8, ["50M", "100M", "200M"]),
        (20.0, 2000.0, ["20", "50", "100", "200", "500", "1K", "2K"]),
        (1e9, 3e14, ["1B", "10B", "100B", "1T", "10T", "100T"]),
        (1e-3, 1e9, ["0.001", "0.1", "10", "1K", "100K", "10M", "1B"]),
        (1.1e10, 8e10, ["20B", "30B", "50B"]),
        (5.0, 5.0, ["5"]),
        (1.001e10, 1.002e10, ["10B"]),
    ],
)
def test_ticks_are_few_and_round(low, high, ticks):
    assert [plain_number(tick) for tick in log_ticks(low, high)] == ticks


def test_a_number_is_three_digits_and_a_letter():
    told = [plain_number(value) for value in (0.3, 1.5, 60.0, 2000.0, 6e8, 1.5e12, 1e16)]
    assert told == ["0.3", "1.5", "60", "2K", "600M", "1.5T", "10,000T"]
