"""Whom a call is about: identifiers of people, as the APIs of Customer.io write them.

A person is found by a user id, or by the e-mail address among the attributes, if one person alone has it. There is no
``cio_id``.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from pydantic import JsonValue

from whereupon.engine import Engine
from whereupon.records import Person, as_email, email_of
from whereupon.web.customerio.answers import RefusedError
from whereupon.web.customerio.asked import Body, id_at

_CIO_ID = re.compile(r"cio_[0-9A-Za-z]+")
_EMAIL = re.compile(r"[^@\s/]+@[^@\s/]+\.[^@\s/]+")
_NAMES = ("id", "email", "cio_id")


class Persons:
    """Says which person an identifier names.

    Args:
        before: called before the store is asked, so that what was said before counts.
    """

    def __init__(self, engine: Engine, before: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._before = before

    # --- by what people have ------------------------------------------------------------------------

    def known(self, user_ids: Collection[str]) -> set[str]:
        """Those of the ids that are user ids of persons."""
        self._before()
        with self._engine.store.reading() as session:
            return {each.value for each in session.identifiers(user_ids, ())}

    def is_known(self, user_id: str) -> bool:
        """Whether a person has that user id."""
        return user_id in self.known([user_id])

    def find(self, user_id: str) -> Person | None:
        """The person of that user id; None if nobody has it."""
        with self._engine.store.reading() as session:
            keys = [each.key for each in session.identifiers([user_id], ())]
            return next(iter(session.persons(keys)), None) if keys else None

    def attributes_of(self, user_id: str) -> Mapping[str, JsonValue]:
        """The attributes of the person of that user id; none if nobody has it."""
        found = self.find(user_id)
        return {} if found is None else found.attributes

    def with_emails(self, values: Collection[str]) -> Mapping[str, Sequence[Person]]:
        """By the value as it was given, the people who have it as a user id, or else as their e-mail address."""
        self._before()
        with self._engine.store.reading() as session:
            ids = {each.value: each.key for each in session.identifiers(values, ())}
            there = {each.key: each for each in session.persons(set(ids.values()))} if ids else {}
            sought = {each: as_email(each) for each in values if each not in ids}
            emails = {each for each in sought.values() if each is not None}
            found = session.persons_with_email(emails) if emails else []
        having: dict[str | None, list[Person]] = defaultdict(list)
        for person in found:
            having[email_of(person.attributes)].append(person)
        named = {value: having.get(email, []) for value, email in sought.items()}
        return {**named, **{value: [there[key]] for value, key in ids.items() if key in there}}

    def with_email(self, email: str) -> Sequence[Person]:
        """The people who have it as a user id, or else as their e-mail address."""
        return self.with_emails([email])[email]

    # --- by what calls name -------------------------------------------------------------------------

    def in_path(self, part: str) -> str:
        """The user id that a path names, of somebody or nobody.

        What looks like an e-mail address names the one person who has it, unless it is the user id of a person.

        Raises:
            RefusedError: it is a ``cio_id``, or several people have the address.
        """
        user_id = part.strip()
        if not user_id:
            raise RefusedError(
                code="missing-id", reason="the path needs the person's id", field="id"
            )
        if _CIO_ID.fullmatch(user_id) and not self.is_known(user_id):
            raise _no_cio_id(field="id")
        return self._by_email(user_id, "id") or user_id if _EMAIL.fullmatch(user_id) else user_id

    def to_identify(self, identifiers: Body) -> str:
        """The user id that identifiers name, of somebody or nobody; an unknown e-mail address becomes a user id."""
        return self._named(identifiers, "identifiers", makes=True)

    def named(self, identifiers: Body, place: str = "identifiers") -> str:
        """The user id that identifiers name, of somebody or nobody; an e-mail address is somebody's.

        Raises:
            RefusedError: they name nobody, or by something that names nobody here, or several people.
        """
        return self._named(identifiers, place, makes=False)

    def existing(self, identifiers: Body, place: str = "identifiers") -> str:
        """As `named`, of a person who is there; raises `RefusedError` if nobody is."""
        user_id = self.named(identifiers, place)
        if not self.is_known(user_id):
            reason = f"nobody has the user id in {place}"
            raise RefusedError(code="unknown-person", reason=reason, field=place)
        return user_id

    def _named(self, identifiers: Body, place: str, *, makes: bool) -> str:
        given = [name for name in _NAMES if identifiers.get(name) is not None]
        if len(given) != 1:
            reason = f"{place} needs exactly one of id, email and cio_id"
            raise RefusedError(code="missing-id", reason=reason, field=place)
        field = f"{place}.{given[0]}"
        value = id_at(identifiers, given[0], f"{place}.")
        if value is None:
            raise RefusedError(code="missing-id", reason=f"{field} is empty", field=field)
        if given[0] == "cio_id":
            raise _no_cio_id(field=field)
        if given[0] == "id":
            return value
        found = self._by_email(value, field)
        if found is None and not (makes and as_email(value)):
            reason = f"nobody has the address in {field}; send the person's id"
            raise RefusedError(code="unknown-person", reason=reason, field=field)
        return found or value

    def _by_email(self, email: str, field: str) -> str | None:
        """The user id of the one person who has an address; None if nobody has it."""
        found = self.with_email(email)
        if len(found) > 1:
            reason = f"{len(found)} people have the address in {field}; send the person's id"
            raise RefusedError(code="several-people", reason=reason, field=field)
        return found[0].user_id if found else None


def looks_like_email(user_id: str) -> bool:
    """Whether a user id is an e-mail address by its form."""
    return _EMAIL.fullmatch(user_id) is not None


def _no_cio_id(*, field: str) -> RefusedError:
    reason = "there is no cio_id in whereupon; send the person's id"
    return RefusedError(code="unknown-person", reason=reason, field=field)
