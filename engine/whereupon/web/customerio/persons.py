"""Whom a call is about: identifiers of people, as the APIs of Customer.io write them.

People are found by their user ids. An ``email`` names a person if it is one of the person's user ids; as an
attribute it names nobody, since several people may have it. There is no ``cio_id``.
"""

import re
from collections.abc import Callable, Collection, Mapping

from pydantic import JsonValue

from whereupon.engine import Engine
from whereupon.records import Person
from whereupon.web.customerio.answers import RefusedError
from whereupon.web.customerio.asked import Body, id_at

_CIO_ID = re.compile(r"cio_[0-9A-Za-z]+")
_NAMES = ("id", "email", "cio_id")


class Persons:
    """Says which person an identifier names.

    Args:
        before: called before the store is asked, so that what was said before counts.
    """

    def __init__(self, engine: Engine, before: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._before = before

    def known(self, user_ids: Collection[str]) -> set[str]:
        """Those of the ids that are somebody's user ids."""
        self._before()
        with self._engine.store.reading() as session:
            return {each.value for each in session.identifiers(user_ids, ())}

    def find(self, user_id: str) -> Person | None:
        """The person of that user id; None if nobody has it."""
        with self._engine.store.reading() as session:
            keys = [each.key for each in session.identifiers([user_id], ())]
            return next(iter(session.persons(keys)), None) if keys else None

    def attributes_of(self, user_id: str) -> Mapping[str, JsonValue]:
        """The attributes of the person of that user id; none if nobody has it."""
        found = self.find(user_id)
        return {} if found is None else found.attributes

    def with_email(self, email: str) -> list[Person]:
        """The people who have that e-mail address as a user id."""
        found = self.find(email)
        return [] if found is None else [found]

    def is_known(self, user_id: str) -> bool:
        """Whether somebody has that user id."""
        return user_id in self.known([user_id])

    def in_path(self, part: str) -> str:
        """The user id in a path; raises `RefusedError` for a ``cio_id``."""
        user_id = part.strip()
        if not user_id:
            raise RefusedError(
                code="missing-id", reason="the path needs the person's id", field="id"
            )
        if _CIO_ID.fullmatch(user_id) and not self.is_known(user_id):
            raise _no_cio_id(field="id")
        return user_id

    def named(self, identifiers: Body, place: str = "identifiers") -> str:
        """The user id that an object of identifiers names.

        Raises:
            RefusedError: it names nobody, or by something that names nobody here.
        """
        given = [name for name in _NAMES if identifiers.get(name) is not None]
        if len(given) != 1:
            reason = f"{place} needs exactly one of id, email and cio_id"
            raise RefusedError(code="missing-id", reason=reason, field=place)
        name = given[0]
        value = id_at(identifiers, name, f"{place}.")
        if value is None:
            raise RefusedError(
                code="missing-id", reason=f"{place}.{name} is empty", field=f"{place}.{name}"
            )
        return self._person(name, value, f"{place}.{name}")

    def _person(self, name: str, value: str, field: str) -> str:
        if name == "cio_id":
            raise _no_cio_id(field=field)
        if name == "email" and not self.is_known(value):
            reason = f"{field} is nobody's user id; people are found by their user ids, so send {field[:-5]}id"
            raise RefusedError(code="unknown-person", reason=reason, field=field)
        return value

    def existing(self, identifiers: Body, place: str = "identifiers") -> str:
        """As `named`, of a person who is there; raises `RefusedError` if nobody is."""
        user_id = self.named(identifiers, place)
        if not self.is_known(user_id):
            raise RefusedError(
                code="unknown-person", reason=f"nobody has the user id in {place}", field=place
            )
        return user_id


def _no_cio_id(*, field: str) -> RefusedError:
    reason = "there is no cio_id in whereupon; send the person's id"
    return RefusedError(code="unknown-person", reason=reason, field=field)
