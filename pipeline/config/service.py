"""The HTTP service: ``service.yaml``.  Nothing here can change a result."""

from typing import Annotated

from pydantic import Field

from pipeline.config.model import Name, Strict


class ServiceSettings(Strict):
    """All of ``service.yaml``."""

    host: Name = Field(description="Address to listen on; one that others can reach needs keys")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Port to listen on")
    api_key_env: Name | None = Field(
        description="Name of the variable that holds the keys, divided by commas; null: no key is asked for"
    )
    poll_s: Annotated[float, Field(ge=0.1, le=3600.0)] = Field(
        description="Seconds between two looks at the newest manifest"
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(description="Threads for backtests and comparisons")
    waiting: Annotated[int, Field(ge=1, le=10_000)] = Field(
        description="Backtests and comparisons that may wait; more are refused with 503"
    )
