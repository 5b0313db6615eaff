"""The shapes of the contract, as they stand in ``/openapi.json``."""

from datetime import date as Date  # noqa: N812 - `date` is a field of the contract
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Zone = Literal["undervalued", "fair", "overvalued", "unknown"]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]


class Error(BaseModel):
    """A failure."""

    error: str
    code: int
    detail: str
    trace_id: str


class ModelInfo(BaseModel):
    """A model that is served."""

    name: str
    description: str
    required_data: list[str]
    is_fitted: bool


class Bounds(BaseModel):
    """An interval in USD."""

    lower: float
    upper: float


class ModelPrediction(BaseModel):
    """A fair price with its interval."""

    model_name: str
    date: Date
    predicted_price: float
    confidence_interval: Bounds
    confidence_level: float
    metadata: dict[str, Any]


class EnsembleRequest(BaseModel):
    """Models to be mixed."""

    models: Annotated[list[str], Field(min_length=2, max_length=20)]
    weights: Annotated[list[Finite], Field(min_length=2, max_length=20)]
    aggregation: Literal["weighted_avg", "median", "min", "max"] = "weighted_avg"
    date: Date | None = None


class Metrics(BaseModel):
    """Errors and the traded signal; null is unknown."""

    mae: float | None
    mape: float | None
    rmse: float | None
    direction_accuracy: float | None
    sharpe_ratio: float | None
    max_drawdown: float | None


class BacktestResult(BaseModel):
    """The record of a model."""

    model_name: str
    start_date: Date
    end_date: Date
    predictions: list[dict[str, Any]] = []
    metrics: Metrics


class Comparison(BaseModel):
    """Models by their error on the same days."""

    models: list[str]
    ranking: list[str]
    best_model: str
    results: list[dict[str, Any]]


class PowerLawModel(BaseModel):
    """The fitted power law, in log10 units."""

    alpha: float
    beta: float
    r_squared: Annotated[float, Field(ge=0, le=1)]
    std_error: Annotated[float, Field(gt=0)]
    fitted_on: Date
    sample_size: int


class PowerLawPrediction(BaseModel):
    """The power law on a day; the deviation is a fraction."""

    date: Date
    days_since_genesis: int
    fair_value: float
    lower_band: float
    upper_band: float
    current_price: float | None = None
    deviation_pct: float | None = None
    zone: Zone


class PowerLawAnswer(BaseModel):
    """The model."""

    model: PowerLawModel


class PowerLawPredicted(PowerLawAnswer):
    """The model and what it says."""

    prediction: PowerLawPrediction


class PowerLawDay(BaseModel):
    """A past day."""

    date: Date
    price: float
    fair_value: float
    zone: Zone


class PowerLawHistory(PowerLawAnswer):
    """The model and past days under its present fit."""

    history: list[PowerLawDay]
