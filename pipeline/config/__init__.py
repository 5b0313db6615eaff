"""Settings: YAML files under ``configs/`` validated by pydantic, with the source of every field."""

from pipeline.config.document import Document, read_document
from pipeline.config.instruments import AssetClass, Instrument
from pipeline.config.load import Loaded, canonical_hash, load_settings, parse_assignment
from pipeline.config.model import Strict
from pipeline.config.problems import explain
from pipeline.config.settings import Settings
from pipeline.config.strategies import StrategySettings
from pipeline.config.system import System

__all__ = [
    "AssetClass",
    "Document",
    "Instrument",
    "Loaded",
    "Settings",
    "StrategySettings",
    "Strict",
    "System",
    "canonical_hash",
    "explain",
    "load_settings",
    "parse_assignment",
    "read_document",
]
