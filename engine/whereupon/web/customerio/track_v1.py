"""The Track API, version 1: people, events, devices, merges and reports, one call each."""

from collections.abc import Callable, Sequence
from functools import partial

from whereupon.engine import Engine
from whereupon.web.customerio.answers import RefusedError, done, refused
from whereupon.web.customerio.asked import Asked, Body, Call, Calls, id_at, object_in
from whereupon.web.customerio.entities import NothingToDo, identified
from whereupon.web.customerio.intake import Intake
from whereupon.web.customerio.messages import (
    Who,
    Wire,
    add_device,
    asking,
    delete_device,
    event_message,
    merge_of,
    report_of,
)
from whereupon.web.customerio.persons import Persons
from whereupon.web.http import Answer


class TrackV1:
    """What answers below ``/api/v1``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._persons = Persons(engine)

    def calls_at(self, parts: Sequence[str]) -> Calls:
        """What answers at a path, given by its parts below ``/api/v1``; empty if nothing does."""
        match parts:
            case ["customers", person, *below]:
                return self._of_person(person, below)
            case ["events"]:
                return {"POST": self._messages(_anonymous_event)}
            case ["merge_customers"]:
                return {"POST": self._messages(self._merge)}
            case ["push", "events"]:
                return {"POST": self._messages(partial(report_of, metric="event"))}
            case ["metrics"]:
                return {"POST": self._messages(report_of)}
            case ["accounts", "region"]:
                return {"GET": _region}
        return {}

    def _of_person(self, person: str, below: Sequence[str]) -> Calls:
        match below:
            case []:
                asks = self._asking("Delete Person", person)
                return {"PUT": partial(self._identify, person), "DELETE": asks}
            case ["events"]:
                return {"POST": self._about(person, _event)}
            case ["devices"]:
                return {"PUT": self._about(person, _add_device)}
            case ["devices", token]:
                return {"DELETE": self._about(person, lambda i, _: delete_device(i, token))}
            case ["suppress"]:
                return {"POST": self._asking("Suppress Person", person)}
            case ["unsuppress"]:
                return {"POST": self._asking("Unsuppress Person", person)}
        return {}

    # --- calls --------------------------------------------------------------------------------------

    def _identify(self, person: str, asked: Asked) -> Answer:
        user_id = self._persons.in_path(person)
        try:
            made = identified(user_id, asked.body, self._persons, asked.now)
        except NothingToDo as note:
            return done(notes=[str(note)])
        return self._taken(made)

    def _merge(self, body: Body) -> Wire:
        survivor = self._persons.existing(object_in(body, "primary"), "primary")
        loser = self._persons.existing(object_in(body, "secondary"), "secondary")
        return merge_of(survivor, loser)

    def _messages(self, make: Callable[[Body], Wire]) -> Call:
        """Take the message that is made of the body."""
        return lambda asked: self._taken([make(asked.body)])

    def _about(self, person: str, make: Callable[[str, Body], Wire]) -> Call:
        """Take the message that is made of the person in the path and the body."""
        return lambda asked: self._taken([make(self._persons.in_path(person), asked.body)])

    def _asking(self, event: str, person: str) -> Call:
        return self._about(person, lambda user_id, _: asking(event, user_id))

    def _taken(self, made: Sequence[Wire]) -> Answer:
        intake = Intake(self._engine)
        intake.add(0, made)
        intake.flush()
        fault = intake.faults.get(0)
        return done(notes=intake.notes) if fault is None else refused(fault)


def _event(user_id: str, body: Body) -> Wire:
    return event_message(Who(user_id=user_id, anonymous_id=id_at(body, "anonymous_id")), body)


def _add_device(user_id: str, body: Body) -> Wire:
    return add_device(user_id, object_in(body, "device"))


def _anonymous_event(body: Body) -> Wire:
    anonymous_id = id_at(body, "anonymous_id")
    if anonymous_id is None:
        reason = (
            "an event of nobody needs anonymous_id: whereupon sends nothing to people it does not know, "
            "so it has no invite events"
        )
        raise RefusedError(code="missing-id", reason=reason, field="anonymous_id")
    return event_message(Who(anonymous_id=anonymous_id), body)


def _region(asked: Asked) -> Answer:
    """Where the account is: here."""
    return done({"url": asked.request.origin, "region": "self-hosted", "environment_id": 1})
