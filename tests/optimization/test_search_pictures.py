"""Pictures of a search are small, repeatable, and cope with one parameter, many values and unknown scores."""

import numpy as np
import pytest

from pipeline.optimization.pictures import (
    generations_picture,
    leading_axes,
    paths_picture,
    stability_picture,
)

POINTS = [{"a": a, "b": b, "word": w} for a in range(4) for b in (0.1, 0.2, 0.3) for w in ("x", "y")]
SCORES = np.array([p["a"] + 10 * p["b"] + (p["word"] == "x") * 0.1 for p in POINTS])


def is_small_png(picture: bytes) -> bool:
    return picture.startswith(b"\x89PNG") and len(picture) < 100_000


def test_the_map_shows_the_two_parameters_that_matter_most():
    assert leading_axes(POINTS, SCORES) == ["a", "b"]
    assert leading_axes([{"a": 1}, {"a": 1}], np.array([1.0, 2.0])) == []


@pytest.mark.parametrize(
    ("points", "scores"),
    [
        (POINTS, SCORES),
        (POINTS, np.full(len(POINTS), np.nan)),
        ([{"n": float(i)} for i in range(40)], np.arange(40.0)),
        ([{"n": float(i), "m": i * 7 % 40} for i in range(40)], np.where(np.arange(40) % 3, 1.0, np.nan)),
    ],
)
def test_a_stability_map_is_drawn_whatever_the_space(points, scores):
    first = stability_picture(points, scores, "bps", "a map", simulated=True)
    assert is_small_png(first)
    assert first == stability_picture(points, scores, "bps", "a map", simulated=True)


def test_generations_and_paths_are_drawn():
    stages = [f"generation {1 + i // 6}" for i in range(len(POINTS))]
    assert is_small_png(generations_picture(stages, SCORES, "bps", "x", simulated=False))
    at = (np.datetime64("2020-01-01") + np.arange(30)).astype("datetime64[us]")
    assert is_small_png(paths_picture({"one": (at, np.linspace(1, 2, 30))}, "x", simulated=True))
