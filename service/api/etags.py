"""Answers with their age and their tag: a client that has the same bytes gets 304."""

import hashlib
import json
from datetime import date
from typing import Any

import numpy as np
from fastapi import Request, Response

from service.api.copy import Snapshot


def answer(request: Request, snapshot: Snapshot, payload: Any) -> Response:
    """Return a payload of a snapshot, or 304 where the client's tag is its own.

    Headers: ``ETag``, ``X-As-Of`` (newest instant at which a row was known), ``X-Age-Seconds`` (since the
    copy was last found equal to the warehouse), ``X-Simulated``, ``Cache-Control: no-cache`` (ask again
    with the tag).
    """
    body = json.dumps(plain(payload), allow_nan=False, separators=(",", ":")).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "X-As-Of": snapshot.as_of.isoformat(),
        "X-Age-Seconds": f"{request.app.state.copy.age_s():.1f}",
        "X-Simulated": str(snapshot.simulated).lower(),
    }
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if request.method == "GET" and known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def plain(value: Any) -> Any:
    """Return a value that JSON can hold; a number that is none becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
