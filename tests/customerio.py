"""A caller of Customer.io's APIs, who has no socket, and what an engine recorded of the calls."""

import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import JsonValue

from whereupon import Engine
from whereupon.records import StoredMessage
from whereupon.records.api_keys import KeyKind, Scope
from whereupon.web.customerio import CustomerIo
from whereupon.web.door.callers import Callers
from whereupon.web.http import Request


@dataclass(frozen=True)
class Said:
    """An answer, read."""

    status: int
    body: dict[str, JsonValue]
    headers: dict[str, str]

    @property
    def error(self) -> str:
        """What the clients show."""
        meta = self.body.get("meta")
        return str(meta.get("error") or meta.get("errors")) if isinstance(meta, dict) else ""

    @property
    def items(self) -> list[tuple[object, object, object]]:
        """Of the errors that are listed: the place, the reason and the field."""
        errors = self.body["errors"]
        assert isinstance(errors, list)
        found = [each for each in errors if isinstance(each, dict)]
        return [(each.get("batch_index"), each["reason"], each["field"]) for each in found]


class Caller:
    """Calls the APIs of an engine with a key of its own, by default one of a server's that is good for all calls."""

    def __init__(
        self, engine: Engine, kind: KeyKind = KeyKind.SERVER, scopes: Iterable[Scope] = ()
    ) -> None:
        made = engine.keys.create("an app", kind=kind, scopes=scopes)
        self._basic = "Basic " + b64encode(f"{made.key.id}:{made.secret}".encode()).decode()
        self._api = CustomerIo(engine, Callers(engine.keys.check))

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        **headers: str,
    ) -> Said:
        """Make a call; every answer must be a JSON object under a status that clients understand."""
        place, _, query = path.partition("?")
        said = {"authorization": self._basic} | {n.replace("_", "-"): v for n, v in headers.items()}
        text = json.dumps(body).encode() if body is not None else b""
        request = Request(
            method=method,
            path=place,
            query=query,
            headers=said,
            body=text if raw is None else raw,
            origin="https://track.shop.example",
        )
        answered = self._api.answer(request)
        assert answered.status not in {201, 202, 204, 301, 302, 307, 308, 413}
        read = json.loads(answered.body)
        assert isinstance(read, dict)
        return Said(answered.status, read, dict(answered.headers))


def recorded(engine: Engine) -> list[tuple[str, str, str | None, str | None, dict[str, JsonValue]]]:
    """Type, name, user id, anonymous id and data of every recorded message, in their order."""
    with engine.store.reading() as session:
        stored = sorted(session.scan(StoredMessage), key=lambda each: each.key)
    messages = [each.message for each in stored if each.message.body]
    return [(m.type.value, m.name, m.user_id, m.anonymous_id, dict(m.data)) for m in messages]
