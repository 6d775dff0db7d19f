"""Triggers of broadcasts whose ``when`` is ``api``: to everybody whom ``who`` admits, or to named people."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from math import ceil
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.conditions import Condition
from whereupon.engine import Engine
from whereupon.errors import OperationError, UnknownNameError
from whereupon.pipeline.fresh_ids import fresh_id
from whereupon.rules.model import OnCall, Rule
from whereupon.web.customerio.answers import RefusedError, done, said_as_json
from whereupon.web.customerio.asked import (
    Asked,
    Body,
    Calls,
    flag_in,
    id_at,
    object_in,
    objects_in,
)
from whereupon.web.customerio.persons import Persons
from whereupon.web.customerio.recipients import condition_of
from whereupon.web.http import Answer

APART = timedelta(seconds=10)
"""How far apart the triggers of one broadcast are."""

_OURS = "trigger-"
"""How the keys of runs begin that were triggered here."""

_LOOKED_AT = 50
"""Runs among which the last trigger is looked for."""

_WAYS = ("recipients", "ids", "emails", "per_user_data", "data_file_url", "data_file_urls")
_FLAGS = ("id_ignore_missing", "email_ignore_missing", "email_add_duplicates")
_TAKEN = frozenset({"data", *_WAYS, *_FLAGS})


class _Recipients(NamedTuple):
    """Who is to get it.

    Attributes:
        named: by user id, the person's own data; None for everybody whom ``who`` admits.
        meets: what these have to meet, beside ``who``; None if nothing is said.
        unknown: sentences about what was named and does not name one person.
    """

    named: Mapping[str, Mapping[str, JsonValue]] | None
    meets: Condition | None = None
    unknown: tuple[str, ...] = ()


class Broadcasts:
    """What answers at ``/v1/campaigns/ID/triggers``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._persons = Persons(engine)

    def calls_at(self, broadcast: str) -> Calls:
        """What answers for a broadcast."""
        return {"POST": partial(self._trigger, broadcast)}

    def _trigger(self, broadcast: str, asked: Asked) -> Answer:
        rule = broadcast_named(self._engine, broadcast)
        body = asked.body
        if not rule.active.allows(asked.now):
            reason = f"{rule.id} is not active now; its file says so"
            raise RefusedError(code="inactive", reason=reason)
        for name in sorted(body.keys() - _TAKEN):
            reason = f"{name} is not taken; there are: {', '.join(sorted(_TAKEN))}"
            raise RefusedError(code="unsupported-field", reason=reason, field=name)
        recipients = self._recipients(body)
        if recipients.unknown:
            return _unknown(recipients.unknown)
        key = None if asked.key is None else f"{_OURS}{asked.key}"
        self._check_pace(rule, key, asked.now)
        return self._started(
            rule, recipients, object_in(body, "data"), key or f"{_OURS}{fresh_id()}"
        )

    def _started(
        self, rule: Rule, recipients: _Recipients, data: Mapping[str, JsonValue], key: str
    ) -> Answer:
        named = recipients.named
        try:
            if recipients.meets is not None:
                met = self._engine.broadcasts.people_meeting(rule.id, recipients.meets)
                named = {user_id: {} for user_id in met}
            if named is not None and not named:
                return done({"id": 0, "recipients": 0})
            triggered = self._engine.trigger(rule.id, per_person=named, properties=data, key=key)
        except (OperationError, UnknownNameError) as error:
            raise refusal_of(error) from None
        said: dict[str, JsonValue] = {"id": _number(triggered.run)}
        if named is not None:
            said |= {"recipients": len(triggered.deliveries), "excluded": len(triggered.excluded)}
        return done(said)

    def _check_pace(self, rule: Rule, key: str | None, now: datetime) -> None:
        """Refuse a trigger right behind another one, as the hosted product does; not the same one again."""
        ours = f"{rule.id}:{_OURS}"
        runs = [
            each
            for each in self._engine.runs(rule.id, limit=_LOOKED_AT)
            if each.occasion.startswith(ours)
        ]
        if key is not None and any(each.occasion == f"{rule.id}:{key}" for each in runs):
            return
        left = max((each.timestamp + APART - now for each in runs), default=timedelta(0))
        if left > timedelta(0):
            seconds = ceil(left.total_seconds())
            reason = f"{rule.id} was triggered just now; it may be again in {seconds} s"
            raise RefusedError(
                code="too-soon",
                reason=reason,
                status=429,
                headers=(("Retry-After", str(seconds)),),
            )

    # --- recipients ---------------------------------------------------------------------------------

    def _recipients(self, body: Body) -> _Recipients:
        given = [name for name in _WAYS if body.get(name) is not None]
        if len(given) > 1:
            reason = f"say one of {', '.join(_WAYS)}"
            raise RefusedError(code="too-many-recipients", reason=reason, field=given[1])
        match given:
            case ["ids"]:
                named = [("id", each) for each in _texts(body, "ids")]
                return self._named({each: {} for each in named}, body)
            case ["emails"]:
                named = [("email", each) for each in _texts(body, "emails")]
                return self._named({each: {} for each in named}, body)
            case ["per_user_data"]:
                return self._named(_with_data(body), body)
            case ["recipients"] if said := object_in(body, "recipients"):
                return _Recipients(None, condition_of(said, self._engine.pipeline.index.book))
            case ["data_file_url" | "data_file_urls" as name]:
                reason = f"{name} is not taken: no file is fetched; send per_user_data"
                raise RefusedError(code="unsupported-field", reason=reason, field=name)
        return _Recipients(None)

    def _named(
        self, named: Mapping[tuple[str, str], Mapping[str, JsonValue]], body: Body
    ) -> _Recipients:
        ignored = {kind for kind in ("id", "email") if flag_in(body, f"{kind}_ignore_missing")}
        several = flag_in(body, "email_add_duplicates")
        known = self._persons.known({value for kind, value in named if kind == "id"})
        having = self._persons.with_emails({value for kind, value in named if kind == "email"})
        there: dict[str, Mapping[str, JsonValue]] = {}
        missing: list[str] = []
        for (kind, value), data in named.items():
            if kind == "id":
                found = [value] if value in known else []
            else:
                found = [each.user_id for each in having[value]]
            if len(found) > 1 and not several:
                missing.append(f"{len(found)} people have the address {value}")
            elif not found and kind not in ignored:
                missing.append(f"nobody has the {kind} {value}")
            for user_id in found:
                there.setdefault(user_id, data)
        return _Recipients(there, unknown=tuple(missing))


def _texts(body: Body, name: str) -> list[str]:
    values = body[name]
    if not isinstance(values, list):
        raise RefusedError(code="bad-field", reason=f"{name} must be a list", field=name)
    return [_required(values, place, name) for place in range(len(values))]


def _required(values: list[JsonValue], place: int, name: str) -> str:
    text = id_at({name: values[place]}, name)
    if text is None:
        reason = f"{name} must be a list of texts or numbers"
        raise RefusedError(code="bad-field", reason=reason, field=f"{name}[{place}]")
    return text


def _with_data(body: Body) -> dict[tuple[str, str], Mapping[str, JsonValue]]:
    found: dict[tuple[str, str], Mapping[str, JsonValue]] = {}
    for place, each in enumerate(objects_in(body, "per_user_data")):
        where = f"per_user_data[{place}]."
        kinds = [kind for kind in ("id", "email") if each.get(kind) is not None]
        if len(kinds) != 1 or each.keys() - {"id", "email", "data"}:
            reason = f"{where[:-1]} needs an id or an email, and may have data"
            raise RefusedError(code="bad-field", reason=reason, field=where[:-1])
        name = (kinds[0], id_at(each, kinds[0], where) or "")
        if name in found:
            reason = f"{where[:-1]} names a person a second time"
            raise RefusedError(code="bad-field", reason=reason, field=where[:-1])
        found[name] = object_in(each, "data", where)
    return found


def _unknown(unknown: tuple[str, ...]) -> Answer:
    """422: nothing was sent, since people were named whom nobody is. They are counted, and the first are named."""
    reason = (
        f"{len(unknown)} of the people cannot be told; nothing was sent. Make them known, or send "
        "id_ignore_missing, email_ignore_missing or email_add_duplicates"
    )
    errors: list[JsonValue] = [{"detail": each, "status": "422"} for each in unknown[:100]]
    said: dict[str, JsonValue] = {"code": "unknown-people", "message": reason, "error": reason}
    return said_as_json(422, {**said, "errors": errors, "meta": {"error": reason}})


def broadcast_named(engine: Engine, name: str, *, field: str = "") -> Rule:
    """The broadcast of a name whose ``when`` is ``api``; raises `RefusedError` with 404 if there is none."""
    rule = engine.pipeline.index.by_id.get(name)
    if rule is None or not any(isinstance(each, OnCall) for each in rule.triggers):
        reason = f"there is no broadcast called {name!r} whose `when` is api"
        raise RefusedError(code="unknown-broadcast", reason=reason, field=field, status=404)
    return rule


def refusal_of(error: OperationError | UnknownNameError) -> RefusedError:
    """What the engine says of a trigger that cannot be done."""
    if isinstance(error, UnknownNameError):
        return RefusedError(code="unknown-broadcast", reason=str(error), status=404)
    return RefusedError(code=error.code, reason=error.reason)


def _number(run: str) -> int:
    """A whole number that stands for a run, as clients expect one; below 2 to the 53rd."""
    return int.from_bytes(blake2b(run.encode(), digest_size=8).digest()) >> 11
