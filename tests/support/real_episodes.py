"""Dated episodes of the real folder: how many of their bars carry the label, and why no more.

A label follows only three new closes in a row, so an episode begins late and ends late.  `explained` counts
the bars against the closes themselves: what the newest close says, and what the newest three say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assets.regimes.rows import RegimeInputs, observations_of
from pipeline.config import load_settings
from pipeline.regimes.classify import Classification, names_of
from pipeline.regimes.vocabulary import labels
from tests.support.real_regimes import END, real_frames
from tests.support.reference_regimes import equity_says, vol_says

SETTINGS = load_settings(root=Path(__file__).parents[2], environ={}).settings
CONFIRM = 3


@dataclass(frozen=True)
class Episode:
    """Months ``first`` to ``last``, both included, of which at least a share is labelled so."""

    first: str
    last: str
    dimension: str
    label: str
    least: float
    why: str = ""

    def inside(self, decisions: np.ndarray) -> np.ndarray:
        months = decisions.astype("datetime64[M]")
        return (months >= np.datetime64(self.first)) & (months <= np.datetime64(self.last))


EPISODES = (
    Episode("2008-10", "2009-02", "equity", "bear", 1.0),
    Episode("2008-10", "2009-02", "vol", "high", 1.0),
    Episode("2020-03", "2020-03", "vol", "high", 0.95),
    Episode(
        "2020-03",
        "2020-03",
        "equity",
        "bear",
        0.58,
        "close and both momenta are below from 9 March on, the year's momentum is above again on the 10th;"
        " 11 to 13 March are the first three in a row",
    ),
    Episode("2022-06", "2022-10", "equity", "bear", 0.95),
    Episode(
        "2022-06",
        "2022-10",
        "vol",
        "high",
        0.69,
        "VIX closes above 25 on two sessions of three, and on none from 19 July to 25 August",
    ),
    Episode("2013-01", "2013-12", "equity", "bull", 1.0),
    Episode("2017-01", "2017-12", "equity", "bull", 1.0),
    Episode("2019-07", "2019-12", "equity", "bull", 0.95),
    Episode("2017-01", "2017-12", "vol", "low", 0.95),
)


@dataclass(frozen=True)
class Explained:
    """One episode, shares of its bars.

    ``labelled`` carry the label; ``says_so`` have a newest close that says so; ``settled`` have three newest
    closes that do.  ``unexplained`` counts bars whose three newest closes all say one thing and whose label
    is another: there are none if the label is nothing but the rule and its patience.
    """

    episode: Episode
    labelled: float
    says_so: float
    settled: float
    unexplained: int

    def __str__(self) -> str:
        one = self.episode
        text = (
            f"{one.dimension} {one.label} {one.first} to {one.last}: {self.labelled:.1%} of the bars; the"
            f" newest close says so in {self.says_so:.1%}, the newest {CONFIRM} in {self.settled:.1%}"
        )
        return f"{text} ({one.why})" if one.why else text


def read_real(folder: Path) -> RegimeInputs:
    """What the regimes of the real folder are told by."""
    return RegimeInputs(observations_of(*real_frames(folder), SETTINGS, END), SETTINGS.regimes, (), ())


def explained(read: RegimeInputs, classified: Classification, episode: Episode) -> Explained:
    """Count the bars of an episode against the closes that were known at each."""
    series = read.observations[names_of(read.rules, episode.dimension)[0]]
    said = np.array(sayings(episode.dimension, series.values.tolist(), series.ts.tolist()))
    decisions = classified.decisions[episode.inside(classified.decisions)]
    newest = np.searchsorted(series.known_at, decisions, side="right") - 1
    last = said[newest[:, None] - np.arange(CONFIRM)]
    agreed = (last == last[:, :1]).all(axis=1)
    own = np.array(labels(episode.dimension, classified.of[episode.dimension].codes))
    own = own[episode.inside(classified.decisions)]
    return Explained(
        episode,
        labelled=float((own == episode.label).mean()),
        says_so=float((last[:, 0] == episode.label).mean()),
        settled=float((agreed & (last[:, 0] == episode.label)).mean()),
        unexplained=int((agreed & (last[:, 0] != own)).sum()),
    )


def sayings(dimension: str, values: Sequence[float], order: Sequence[object]) -> list[str]:
    """What the rule says of each close with those before it, from the slow reference."""
    says = {"equity": equity_says, "vol": vol_says}[dimension]
    return [says(values[max(0, n - 300) : n + 1], order[: n + 1]) for n in range(len(values))]
