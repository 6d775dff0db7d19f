"""Look-ups of people, as the App API answers them."""

from collections.abc import Sequence
from functools import partial

from pydantic import JsonValue

from whereupon.decide.consent import UNSUBSCRIBED, says_yes
from whereupon.engine import Engine
from whereupon.messages.times import as_micros
from whereupon.records import Device, Person
from whereupon.web.customerio.answers import RefusedError, done
from whereupon.web.customerio.asked import Asked, Calls
from whereupon.web.customerio.persons import Persons
from whereupon.web.http import Answer

_SECOND = 1_000_000


class Lookups:
    """What answers below ``/v1/customers``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._persons = Persons(engine)

    def calls_at(self, below: Sequence[str]) -> Calls:
        """What answers at a path, given by its parts below ``/v1/customers``."""
        match below:
            case []:
                return {"GET": self._by_email}
            case [person, "attributes"]:
                return {"GET": partial(self._attributes, person)}
        return {}

    def _by_email(self, asked: Asked) -> Answer:
        email = asked.query("email")
        if not email:
            raise RefusedError(code="missing-field", reason="email is required", field="email")
        found = self._persons.with_email(email)
        return done({"results": [_identifiers(each) for each in found]})

    def _attributes(self, person: str, asked: Asked) -> Answer:
        kind = asked.query("id_type") or "id"
        if kind not in {"id", "email", "cio_id"}:
            reason = "id_type must be one of id, email and cio_id"
            raise RefusedError(code="bad-field", reason=reason, field="id_type")
        user_id = self._persons.named({kind: person}, "customer")
        found = self._persons.find(user_id)
        if found is None:
            raise RefusedError(
                code="unknown-person", reason="nobody has that id", field="id", status=404
            )
        return done({"customer": _customer(found, self._engine.devices(user_id))})


def _customer(person: Person, devices: Sequence[Device]) -> dict[str, JsonValue]:
    attributes = dict(person.attributes)
    return {
        "id": person.user_id,
        "identifiers": _identifiers(person),
        "attributes": attributes,
        "timestamps": {name: at // _SECOND for name, at in person.stamps.items()},
        "unsubscribed": says_yes(attributes.get(UNSUBSCRIBED)),
        "devices": [
            {
                "id": each.token,
                "platform": each.platform,
                "last_used": as_micros(each.updated_at) // _SECOND,
                "attributes": dict(each.attributes),
            }
            for each in devices
        ],
    }


def _identifiers(person: Person) -> dict[str, JsonValue]:
    return {"id": person.user_id, "email": person.attributes.get("email"), "cio_id": None}
