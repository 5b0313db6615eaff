"""One colour for each valuation model, in every picture that shows it."""

from pipeline.pictures import SERIES
from pipeline.valuation.registry import names


def colour_of(model: str) -> str:
    """Return the colour of a model by its name: its place among the registered ones, whoever is shown.

    A name that is not registered, as of a row stored before its model was taken out, has the colour after
    theirs.
    """
    known = names()
    return SERIES[(known.index(model) if model in known else len(known)) % len(SERIES)]
