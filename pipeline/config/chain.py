"""Where days and blocks of the chain come from: ``chain.yaml``."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.model import Fraction, Instant, Name, Strict

Minutes = Annotated[int, Field(ge=0, le=525_600)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]


class SampleChain(Strict):
    """The simulated chain, which goes with the simulated world."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(description="Of the simulated chain")
    height_before: Annotated[int, Field(ge=0, le=6_929_999)] = Field(
        description="Height of the last block before the world begins"
    )
    thermocap_usd_before: Annotated[float, Field(ge=0, le=1e15)] = Field(
        description="Miner revenue before the world begins, USD"
    )
    realized_price_usd_before: Annotated[float, Field(gt=0, le=1e9)] = Field(
        description="Mean price at which coins had last moved when the world begins, USD"
    )
    hash_rate_ths_before: Annotated[float, Field(gt=0, le=1e15)] = Field(
        description="Hash rate when the world begins, TH/s"
    )
    moved_share: Fraction = Field(description="Share of all coins that moves on a day, at that day's price")
    fees_share: Fraction = Field(description="Fees of a usual day, as a share of its issuance")


class CoinMetricsChain(Strict):
    """The community interface of Coin Metrics: free and without a key."""

    base_url: Name = Field(description="Address of the interface")
    first_day: Instant = Field(description="First day that is asked for")
    lag_minutes: Minutes = Field(description="Minutes from the end of a day until its metrics are there")
    recheck_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        description="Newest stored days that are asked for again, because they are revised"
    )
    page_size: Annotated[int, Field(ge=1, le=10_000)] = Field(description="Days in one answer")
    spacing_s: Seconds = Field(description="Least seconds between two requests: ten are allowed in six")
    timeout_s: Seconds = Field(description="Longest silence of the line, seconds")


class NodeChain(Strict):
    """A Bitcoin Core node of one's own, asked by JSON-RPC."""

    url: Name = Field(description="Address of the node's RPC")
    cookie_file_env: Variable = Field(description="Variable that holds the path of the node's cookie file")
    user_env: Variable = Field(description="Variable that holds the RPC user, where there is no cookie")
    password_env: Variable = Field(description="Variable that holds the RPC password")
    first_height: Annotated[int, Field(ge=0, le=100_000_000)] = Field(
        description="First block that is asked for"
    )
    batch: Annotated[int, Field(ge=1, le=2000)] = Field(description="Blocks in one batch, and in one write")
    read: Literal["stats", "raw"] = Field(
        description="What is asked of a block: the node's own statistics, or its bytes"
    )
    lag_minutes: Minutes = Field(
        description="Minutes from the time in a header until an old block counts as known"
    )
    timeout_s: Seconds = Field(description="Longest silence of the line, seconds")


class ChainSettings(Strict):
    """All of ``chain.yaml``."""

    source: Literal["auto", "none", "sample", "files", "coinmetrics", "node"] = Field(
        description="Chain source; auto: sample or files with that market source, else coinmetrics"
    )
    price_symbol: Name = Field(description="Whose daily close is the price of a chain source that knows none")
    sample: SampleChain
    coinmetrics: CoinMetricsChain
    node: NodeChain
