"""Valuation models.  Importing the package registers those that ship; a new module joins by a line here."""

from pipeline.valuation import power_law as power_law
