"""Who a person is, and how that became known: ids, claims, merges, and what each claim brought.

Of other people on the same device it says only the user id and since when they had it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from whereupon.errors import UnknownNameError
from whereupon.identity.algebra import IdentityPolicy
from whereupon.insight.clauses import subject_of
from whereupon.insight.explanations import Explanation, explain, without_repeats
from whereupon.insight.redecision import DecidedAgain
from whereupon.messages.times import later
from whereupon.ports import Session
from whereupon.records import ClaimRun, Delivery, Entry, IdKind, Skips, StoredMessage
from whereupon.rules.model import Rulebook


@dataclass(frozen=True, slots=True)
class BroughtMessage:
    """An anonymous message that a claim made a person's, and what it led to.

    Attributes:
        subject: its name, or its type if it has none.
        decisions: one for each rule that was evaluated: entered, or not and why.
    """

    message_id: str
    subject: str
    timestamp: datetime
    decisions: tuple[Explanation, ...]


@dataclass(frozen=True, slots=True)
class ClaimReport:
    """One person's claims of an anonymous id, without a claim by another person between them.

    Attributes:
        person: the first user id of the claimant.
        since, until: when the first and the last message with both ids happened.
        message_id: the message that opened the run.
        brought: what it brought, newest first; empty if the claimant is another person.
    """

    person: str
    since: datetime
    until: datetime
    message_id: str
    brought: tuple[BroughtMessage, ...]


@dataclass(frozen=True, slots=True)
class ClaimedId:
    """An anonymous id that the person has claimed, and all persons' claims of it, oldest first."""

    anonymous_id: str
    claims: tuple[ClaimReport, ...]


@dataclass(frozen=True, slots=True)
class MergedPerson:
    """A person who was merged into this one: the first user id, the message, and when it arrived."""

    person: str
    message_id: str
    merged_at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a person is.

    Attributes:
        person: the first user id.
        user_ids: every user id, the first one first.
        merges: who was merged into the person, oldest first.
        inbox: how many items the store keeps in their inbox.
    """

    person: str
    user_ids: tuple[str, ...]
    anonymous_ids: tuple[ClaimedId, ...]
    merges: tuple[MergedPerson, ...]
    inbox: int


def identify_person(
    session: Session, person: str, book: Rulebook, policy: IdentityPolicy, limit: int
) -> Identity:
    """Who a person is, and how that became known.

    Args:
        person: one of the person's user ids.
        book: the rules, for what the decisions say.
        limit: how many of the claimed messages, newest first.

    Raises:
        UnknownNameError: nobody has that user id.
    """
    known = session.identifiers([person], [])
    found = session.persons([known[0].key]) if known else []
    if not found:
        raise UnknownNameError(kind="person", name=person)
    key, first = found[0].key, found[0].user_id
    ids = session.identifiers_of([key])
    others = sorted(i.value for i in ids if i.kind is IdKind.USER and i.value != first)
    devices = {i.key: i.value for i in ids if i.kind is IdKind.ANONYMOUS}
    runs = session.claims(devices)
    names = {each.key: each.user_id for each in session.persons({run.person_key for run in runs})}
    brought = _brought(session, key, first, book, limit)
    return Identity(
        person=first,
        user_ids=(first, *others),
        anonymous_ids=tuple(
            ClaimedId(name, tuple(_claims(runs, device, key, names, brought[name], policy)))
            for device, name in sorted(devices.items(), key=lambda pair: pair[1])
        ),
        merges=tuple(
            MergedPerson(merge.loser, merge.message_id, merge.merged_at)
            for merge in session.merges([key])
        ),
        inbox=session.footprint(key).counts["inbox"],
    )


def _brought(
    session: Session, key: int, person: str, book: Rulebook, limit: int
) -> dict[str, list[BroughtMessage]]:
    """What was claimed, by anonymous id, newest first."""
    messages = session.claimed_messages(key, limit)
    led_to: dict[int, list[Entry | Skips]] = defaultdict(list)
    for verdict in session.decided_on(key, [message.key for message in messages]):
        led_to[verdict.message_key].append(verdict)
    again = DecidedAgain(
        session.rule_version, book.rule, session.rule_pauses(), book.settings.timezone
    )
    entries = (each for of_one in led_to.values() for each in of_one if isinstance(each, Entry))
    occasions = {entry.occasion for entry in entries}
    sent = session.deliveries_of(key, occasions) if occasions else []
    brought: dict[str, list[BroughtMessage]] = defaultdict(list)
    for message in messages:
        decisions = tuple(
            without_repeats(_explained(led_to[message.key], message, person, again, sent))
        )
        said = (message.message_id, subject_of(message), message.timestamp)
        brought[message.anonymous_id or ""].append(BroughtMessage(*said, decisions))
    return brought


def _explained(
    verdicts: Sequence[Entry | Skips],
    message: StoredMessage,
    person: str,
    again: DecidedAgain,
    sent: Sequence[Delivery],
) -> Iterator[Explanation]:
    for verdict in verdicts:
        rules = (verdict.rule,) if isinstance(verdict, Entry) else again.rules_of(verdict)
        for rule_id in rules:
            yield from explain(verdict, message, person, rule_id, again, sent)


def _claims(
    runs: Sequence[ClaimRun],
    device: int,
    person_key: int,
    names: Mapping[int, str],
    brought: Sequence[BroughtMessage],
    policy: IdentityPolicy,
) -> Iterator[ClaimReport]:
    here = [run for run in runs if run.anonymous_key == device]
    mine = [run for run in here if run.person_key == person_key]
    for run in here:
        messages = tuple(each for each in brought if _claimed_in(mine, each, policy) == run)
        said = (names[run.person_key], run.since, run.until, run.message_id)
        yield ClaimReport(*said, messages)


def _claimed_in(
    mine: Sequence[ClaimRun], message: BroughtMessage, policy: IdentityPolicy
) -> ClaimRun | None:
    """The first of a person's runs that reaches a message of theirs."""
    return next(
        (run for run in mine if message.timestamp <= later(run.until, policy.late_window)), None
    )
