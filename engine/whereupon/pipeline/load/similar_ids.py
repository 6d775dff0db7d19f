"""Ids that differ from an unknown id only by case or white space, as a typing error does."""

from collections.abc import Collection
from unicodedata import normalize

from whereupon.messages.model import Message, SenderClass
from whereupon.ports import Session
from whereupon.records import IdKind

MOST_LOOKED_AT = 1_000
"""Persons among whom such an id is looked for, beside the usual ways to write the one in question."""


def near_ids(
    session: Session, messages: Collection[Message], known: Collection[str]
) -> dict[str, str]:
    """For each user id that a server's messages name and nobody has: a similar id that a person has.

    Nothing is looked up for a client, since a client could learn from it who exists.
    """
    named = {m.user_id for m in messages if m.user_id and m.source is SenderClass.SERVER}
    unknown = sorted(named - set(known))
    if not unknown:
        return {}
    usual = {written for user_id in unknown for written in _usual(user_id)}
    there = {i.value for i in session.identifiers(usual, []) if i.kind is IdKind.USER}
    there |= {person.user_id for person in session.persons_after(0, MOST_LOOKED_AT)}
    by_letters = {_letters(user_id): user_id for user_id in sorted(there, reverse=True)}
    return {
        user_id: by_letters[_letters(user_id)]
        for user_id in unknown
        if _letters(user_id) in by_letters
    }


def _usual(user_id: str) -> set[str]:
    """The usual ways to write an id."""
    bare = user_id.strip()
    return {bare, bare.lower(), bare.upper(), bare.capitalize(), bare.title()}


def _letters(user_id: str) -> str:
    return "".join(normalize("NFKC", user_id).casefold().split())
