"""JSON-RPC of a Bitcoin Core node: batches of calls, asked again until every one has its answer.

Credentials are read when they are needed, from the cookie file or the variables that the settings name; they
stand in no message and no row.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.secrets import masked
from pipeline.errors import ConfigError, SourceError
from resources.venues.http import PASSING
from resources.venues.patience import PassingError, Patience

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from pipeline.config.chain import NodeChain
    from resources.clock import Clock

WARMING_UP = -28
"""The node is starting and will answer soon."""
NOT_FOUND, OUT_OF_RANGE, MISC = -5, -8, -1
"""No such block; no such height; among others: a block that was pruned."""
MOST_BYTES = 256_000_000
"""Larger answers are damage: sixteen full blocks in hexadecimal are 128 MB."""
LONGEST_ANSWER_S = 600.0
"""How long a whole answer may take: a line that drips bytes is never silent."""
_REFUSED = (401, 403)


@dataclass(frozen=True)
class Call:
    """One call: ``getblockhash`` of ``(600000,)``."""

    method: str
    params: tuple[object, ...] = ()


@dataclass(frozen=True)
class RpcError:
    """What the node said instead of a result."""

    code: int
    message: str


class Rpc:
    """A node.

    Parameters
    ----------
    settings
        Address and names of the variables.
    environ
        Variables by name.
    clock
        What waits are counted by.
    """

    def __init__(self, settings: NodeChain, environ: Mapping[str, str], clock: Clock) -> None:
        if not settings.url.startswith(("http://", "https://")):
            raise ConfigError(
                "the address of the node is wrong",
                field="chain.node.url",
                value=masked(settings.url),
                constraint="http:// or https:// and a host",
                fix="correct url",
            )
        self._settings = settings
        self._environ = environ
        self._patience = Patience(
            clock,
            fix=f"start the node, or correct chain.node.url, now {self.address}; what is stored stays",
        )
        self._ids = count(1)

    @property
    def address(self) -> str:
        """The address without credentials, for ``source``."""
        return str(masked(self._settings.url))

    def ask(self, method: str, *params: object) -> Any:
        """Return the result of one call.

        Raises
        ------
        SourceError
            When the node refuses it or stays out of reach.
        """
        (answer,) = self.batch([Call(method, params)])
        if isinstance(answer, RpcError):
            raise refused(method, answer)
        return answer

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results in the order of the calls; `RpcError` where the node had none.

        Calls without an answer, in a batch that came in part, are asked again, the others not.

        Raises
        ------
        SourceError
            When the node refuses everything or stays out of reach.
        """
        if not calls:
            return []
        numbered = {next(self._ids): call for call in calls}
        found: dict[int, Any] = {}
        about = f"{len(calls)} calls, the first {calls[0].method}"
        self._patience.ask(lambda: self._once(numbered, found), of="the node", about=about)
        return [found[number] for number in numbered]

    def _once(self, numbered: Mapping[int, Call], found: dict[int, Any]) -> None:
        """Ask for what is not found yet, and put into ``found`` what comes."""
        left = {number: call for number, call in numbered.items() if number not in found}
        asked = [
            {"jsonrpc": "2.0", "id": number, "method": call.method, "params": list(call.params)}
            for number, call in left.items()
        ]
        answers = self._post(asked)
        for answer in answers if isinstance(answers, list) else [answers]:
            told = answer if isinstance(answer, dict) else {}
            number, error = told.get("id"), told.get("error")
            if number is None and isinstance(error, dict):
                raise _all_refused(_error(error))
            if not isinstance(number, int) or number not in left:
                continue
            if error is None:
                found[number] = told.get("result")
                continue
            said = _error(error)
            if said.code == WARMING_UP:
                raise _all_refused(said)
            found[number] = said
        lacking = len(numbered) - len(found)
        if lacking:
            raise PassingError(f"{lacking} of {len(numbered)} calls were not answered")

    def _post(self, asked: Sequence[Mapping[str, object]]) -> Any:
        import httpx

        try:
            with self._client.stream(
                "POST", self._settings.url, json=asked, headers=self._authorization()
            ) as response:
                status = response.status_code
                body = self._body(response)
        except httpx.TimeoutException as error:
            node = self._settings
            limit = f"{node.timeout_s:g} s (chain.node.timeout_s, with chain.node.batch {node.batch})"
            raise PassingError(f"no answer within {limit}") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise PassingError(f"{type(error).__name__}: {masked(str(error))}") from error
        if status in _REFUSED:
            raise self._not_let_in(status)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            if status in range(400, 500) and status not in PASSING:
                raise self._no_node(status) from error
            raise PassingError(f"HTTP {status}, and the answer is no JSON") from error

    def _body(self, response: httpx.Response) -> bytes:
        clock = self._patience.clock
        began, parts, size = clock.monotonic(), [], 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise PassingError(f"the answer is larger than {MOST_BYTES / 1e6:g} MB")
            if clock.monotonic() - began > LONGEST_ANSWER_S:
                raise PassingError(f"the answer takes longer than {LONGEST_ANSWER_S:g} s")
        return b"".join(parts)

    def _authorization(self) -> dict[str, str]:
        """Return the header with user and password; a cookie is read anew, since a node changes it."""
        settings, environ = self._settings, self._environ
        path = environ.get(settings.cookie_file_env, "").strip()
        if path:
            try:
                pair = Path(path).read_text(encoding="utf-8").strip()
            except FileNotFoundError as error:  # a node that stops takes it away
                name = settings.cookie_file_env
                raise PassingError(f"it is not running, or {name} names the wrong file: {path}") from error
            except (OSError, UnicodeError) as error:
                raise SourceError(
                    "the node's cookie file cannot be read",
                    field=settings.cookie_file_env,
                    value=path,
                    constraint="a text file that this user may read",
                    fix="give this user the right to read it, or correct the path",
                ) from error
        else:
            user, password = (environ.get(n, "") for n in (settings.user_env, settings.password_env))
            if not user:
                return {}
            pair = f"{user}:{password}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}

    def _not_let_in(self, status: int) -> SourceError:
        settings = self._settings
        return SourceError(
            f"the node lets nobody in (HTTP {status})",
            field="chain.node",
            value=self.address,
            constraint="the node's own cookie, or its user and password",
            fix=f"export {settings.cookie_file_env}, or {settings.user_env} and {settings.password_env}",
        )

    def _no_node(self, status: int) -> SourceError:
        return SourceError(
            f"what answers is no node (HTTP {status})",
            field="chain.node.url",
            value=self.address,
            constraint="the address of a node's JSON-RPC, such as http://127.0.0.1:8332",
            fix="correct chain.node.url",
        )

    @cached_property
    def _client(self) -> httpx.Client:
        """The client; it keeps no idle connection, so there is nothing to close."""
        import httpx

        alone = httpx.Limits(max_keepalive_connections=0)
        node = self._settings
        return httpx.Client(timeout=node.timeout_s, limits=alone, follow_redirects=False)


def refused(about: str, error: RpcError) -> SourceError:
    """Return the error for a call that the node refuses."""
    return SourceError(
        f"the node refuses {about}: {error.message}",
        field=about,
        value=error.code,
        constraint="a node that answers it",
        fix="read what it says; docs/chain.md names what a node must keep",
    )


def _all_refused(error: RpcError) -> Exception:
    """Return the error for what the node says of all calls at once: a node that starts will answer soon."""
    if error.code == WARMING_UP:
        return PassingError(f"it is starting: {error.message}")
    return refused("a batch of calls", error)


def _error(error: object) -> RpcError:
    if not isinstance(error, dict):
        return RpcError(0, str(error)[:200])
    code = error.get("code")
    return RpcError(code if isinstance(code, int) else 0, str(error.get("message"))[:200])
