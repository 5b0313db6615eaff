"""The records of the REST contract, named as there; unknown is null."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

_LENGTH = len("2024-01-31")


def _day(value: Any) -> Any:
    """Take ``YYYY-MM-DD`` alone: no numbers, times or other forms of ISO 8601."""
    if isinstance(value, str) and (len(value) != _LENGTH or value[4] != "-" or not value.isascii()):
        raise PydanticCustomError("day", "a day is written YYYY-MM-DD")
    if isinstance(value, int | float):
        raise PydanticCustomError("day", "a day is a text, YYYY-MM-DD")
    return value


Day = Annotated[dt.date, BeforeValidator(_day)]
OptionalDay = Day | SkipJsonSchema[None]


class Record(BaseModel):
    """What every record shares."""

    model_config = ConfigDict(extra="forbid")


class ApiError(Record):
    """What every failure says."""

    error: str = Field(description="What went wrong, one sentence")
    code: str = Field(description="The kind of failure, such as unknown_model")
    detail: str = Field(description="Which input, the rule that it breaks, and what to do")
    trace_id: str = Field(description="Name of this request in our logs")


class ModelInfo(Record):
    """A model of the registry."""

    name: str
    description: str
    required_data: list[str]
    is_fitted: bool


class ConfidenceInterval(Record):
    """Bounds of a price, USD."""

    lower: float
    upper: float


class ModelPrediction(Record):
    """The fair closing price of a day."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_name: str
    date: dt.date
    predicted_price: float
    confidence_interval: ConfidenceInterval
    confidence_level: Annotated[float, Field(ge=0.0, le=1.0)]
    metadata: dict[str, Any]


class BacktestPrediction(Record):
    """One scored day."""

    date: dt.date
    predicted_price: float | None
    actual_price: float | None
    error: float | None = Field(description="(predicted - actual) / actual, a fraction")


class BacktestMetrics(BaseModel):
    """Errors in USD or as fractions, and what a traded signal made of them."""

    mae: float | None
    mape: float | None
    rmse: float | None
    direction_accuracy: float | None
    sharpe_ratio: float | None
    max_drawdown: float | None
    n: int
    rmse_log: float | None
    bias_log: float | None
    skill_last_price: float | None
    turnover: float | None
    mean_exposure: float | None
    buy_and_hold_sharpe: float | None
    buy_and_hold_drawdown: float | None


class Coverage(Record):
    """How often intervals of one level held the price, with bounds of 95 %."""

    level: float
    value: float | None
    low: float | None
    high: float | None
    n: int


class MissingForecast(Record):
    """A forecast that should be there and is not."""

    origin: dt.date
    horizon: int | None
    reason: str


class BacktestSummary(Record):
    """A walk-forward without its single predictions."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_name: str
    horizon_days: int
    start_date: dt.date
    end_date: dt.date
    metrics: BacktestMetrics
    coverage: list[Coverage]
    refits: int
    failed: int
    failures: list[MissingForecast]


class Origin(Record):
    """Where the data of an answer come from."""

    source: str
    simulated: bool = Field(description="Whether a simulator made any of them")
    latest_revision: bool = Field(description="Whether the past is known as it was revised later")
    data_through: dt.date = Field(description="The newest day")


class BacktestResult(BacktestSummary, Origin):
    """A walk-forward of one model."""

    predictions: list[BacktestPrediction]


class CommonMetrics(Record):
    """Errors on the days that all compared models have."""

    n: int
    mae: float | None
    mape: float | None
    rmse: float | None
    rmse_log: float | None
    bias_log: float | None
    direction_accuracy: float | None
    skill_last_price: float | None


class ComparedModel(BacktestSummary):
    """One model of a comparison."""

    rank: int
    common: CommonMetrics


class Comparison(Origin):
    """Models side by side, the best first."""

    models: list[str]
    ranking: list[str]
    best_model: str
    horizon_days: int
    start_date: dt.date
    end_date: dt.date
    better_than_last_price: list[str]
    last_price: CommonMetrics = Field(description="Of the last known price, taken as a forecast")
    results: list[ComparedModel]
    absent: dict[str, str] = Field(description="Models that could not be compared, with the reason")


class PowerLawModel(Record):
    """The fitted line: log10 price = alpha + beta log10 days since 2009-01-03."""

    alpha: float
    beta: float
    r_squared: Annotated[float, Field(ge=0.0, le=1.0)]
    std_error: Annotated[float, Field(gt=0.0)]
    fitted_on: dt.date
    sample_size: int


class PowerLawPrediction(Record):
    """The fair value of a day with the band of one standard error."""

    date: dt.date
    days_since_genesis: int
    fair_value: float
    lower_band: float
    upper_band: float
    current_price: float | None
    deviation_pct: float | None = Field(description="(price - fair value) / fair value, a fraction")
    zone: Literal["undervalued", "fair", "overvalued", "unknown"]


class PowerLawDay(Record):
    """One day of the past beside the line as it is fitted now."""

    date: dt.date
    price: float | None
    fair_value: float
    zone: Literal["undervalued", "fair", "overvalued", "unknown"]


class PowerLawAnswer(Record):
    """The model."""

    model: PowerLawModel


class PowerLawPredicted(PowerLawAnswer):
    """The model and what it says of a day."""

    prediction: PowerLawPrediction


class PowerLawHistory(PowerLawAnswer):
    """The model and the past."""

    history: list[PowerLawDay]


class EnsembleRequest(Record):
    """An ensemble that the caller puts together."""

    models: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]], Field(min_length=2, max_length=20)
    ]
    weights: Annotated[list[Annotated[float, Field(ge=0.0, le=1.0)]], Field(max_length=20)] = Field(
        default_factory=list, description="One for each model, sum 1; left out or empty: equal weights"
    )
    aggregation: Literal["weighted_avg", "median", "min", "max"] = "weighted_avg"
    date: OptionalDay = None


class Health(Record):
    """How the service is."""

    status: Literal["ok", "stale", "empty"]
    as_of: dt.datetime | None = Field(description="When the copy was last known to be the newest")
    age_s: float | None
    data_through: dt.date | None
    board_through: dt.date | None = Field(description="Newest day of the stored board; null: there is none")
    source: str | None
    simulated: bool | None
    latest_revision: bool | None
    models: dict[str, str | None] = Field(description="Why a model is not fitted; null: it is")
    trouble: str | None = Field(description="What keeps the copy from being refreshed")
    snapshot: str | None = Field(description="Name of the copy: a digest of what it was made from")
