"""Valuation models.  Importing the package registers those that ship; a new module joins by a line here."""

from pipeline.valuation import ensemble as ensemble
from pipeline.valuation import mvrv_bands as mvrv_bands
from pipeline.valuation import onchain_price as onchain_price
from pipeline.valuation import power_law as power_law
from pipeline.valuation import stock_to_flow as stock_to_flow
from pipeline.valuation import thermocap as thermocap
