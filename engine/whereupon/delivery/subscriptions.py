"""What a person wants to be sent, read and changed by the holder of the link of one of the person's mails.

A wish becomes an ``identify`` of the person's, as a server sends it. It is made, and decided, in one transaction in
which the person is held, so that two wishes at one time both count, and nobody comes back who was erased meanwhile.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from pydantic import JsonValue

from whereupon.decide.consent import UNSUBSCRIBED, attributes_that_say, is_subscribed, says_yes
from whereupon.delivery.link_tokens import TokenSigner, UnsubscribeToken
from whereupon.messages.codec import encode
from whereupon.messages.model import Message, Origin, SenderClass
from whereupon.messages.times import as_micros, format_instant, from_micros
from whereupon.pipeline.claim_runner import ClaimRunner
from whereupon.pipeline.current import CurrentPipeline
from whereupon.pipeline.fresh_ids import fresh_id
from whereupon.pipeline.ingestion import (
    Ingested,
    Reading,
    answer,
    read_batch,
    refuse,
)
from whereupon.ports import Clock, Session, Store
from whereupon.records import IdKind, Person
from whereupon.rules.model import Rulebook, Send

_LOCALES = ("locale", "language")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriptions:
    """What the person of a link wants to be sent.

    Attributes:
        is_known: whether the person is still there. If not, nothing is sent to them, and nothing can be changed.
        topic: of the mail in which the link stands.
        unsubscribed: whether the person wants no marketing at all.
        topics: every topic of the rules, and that of the mail: whether the person is subscribed to it, apart from
            ``unsubscribed``.
        locale: the person's attribute ``locale`` or ``language``, such as ``de-AT``.
    """

    is_known: bool
    topic: str | None = None
    unsubscribed: bool = False
    topics: Mapping[str, bool]
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants: nothing at all or not, and topics or not. What is not named stays as it is."""

    topics: Mapping[str, bool]
    unsubscribed: bool | None = None

    @property
    def unsubscribes(self) -> bool:
        """Whether it takes anything away."""
        return bool(self.unsubscribed) or not all(self.topics.values())


class SubscriptionDesk:
    """Reads and changes what persons want to be sent, by the tokens of their links.

    Args:
        wake_up: called when a wish may have made something due.
    """

    def __init__(
        self,
        store: Store,
        current: CurrentPipeline,
        clock: Clock,
        claims: ClaimRunner,
        signer: TokenSigner,
        wake_up: Callable[[], None],
    ) -> None:
        self._store = store
        self._current = current
        self._clock = clock
        self._claims = claims
        self._signer = signer
        self._wake_up = wake_up

    def read(self, token: str) -> Subscriptions:
        """What the person of a link wants; raises `LinkError`."""
        said = self._signer.read_unsubscribe(token)
        with self._store.reading() as session:
            person = _person_of(session, said)
        topics = topics_of(self._current.pipeline.index.book, said)
        if person is None:
            return Subscriptions(is_known=False, topic=said.topic, topics={})
        attributes = person.attributes
        return Subscriptions(
            is_known=True,
            topic=said.topic,
            unsubscribed=says_yes(attributes.get(UNSUBSCRIBED)),
            topics={topic: is_subscribed(topic, attributes) for topic in topics},
            locale=_locale(attributes),
        )

    def unsubscribing(self, token: str) -> Wish:
        """What a click on *unsubscribe* asks for: no more of the mail's topic; without a topic, no more at all."""
        topic = self._signer.read_unsubscribe(token).topic
        return Wish(unsubscribed=True, topics={}) if topic is None else Wish(topics={topic: False})

    def change(self, token: str, wish: Wish) -> str | None:
        """Carry out a wish; gives the idempotency key of the delivery, or None if the person is not there any more.

        Raises:
            LinkError: the token is not one of ours.
            ValueError: no rule has a topic that the wish names.
            MessageRejectedError: the engine itself fails on the message (``poison``), which is set aside.
        """
        said = self._signer.read_unsubscribe(token)
        known = topics_of(self._current.pipeline.index.book, said)
        if unknown := wish.topics.keys() - known:
            message = f"there is no topic {min(unknown)!r}; there are: {', '.join(known)}"
            raise ValueError(message)

        def work(session: Session) -> Ingested | None:
            person = _held(session, said)
            if person is None:
                return None
            made = self._messages(person, wish, token)
            taken = self._current.pipeline.take(session, made, now=self._clock.now())
            return answer(taken, Reading(made))

        done = self._claims.transact(work)
        self._wake_up()
        if done is None:
            return None
        refuse(done.rejected)
        return said.delivery

    def _messages(self, person: Person, wish: Wish, token: str) -> list[Message]:
        """The message that says it, newer than what it replaces; none if the person has said so before."""
        traits = attributes_that_say(
            person.attributes, unsubscribed=wish.unsubscribed, topics=wish.topics
        )
        if not traits:
            return []
        at = _behind(self._clock.now(), person, traits)
        name = encode([token, sorted(traits.items()), as_micros(at)])
        digest = blake2b(name, digest_size=16).hexdigest()
        said = {
            "type": "identify",
            "userId": person.user_id,
            "traits": traits,
            "messageId": f"link-{digest}",
            "timestamp": format_instant(at),
        }
        reading = read_batch(
            [said],
            received_at=at,
            source=SenderClass.SERVER,
            origin=Origin.LIVE,
            new_id=fresh_id,
        )
        refuse(reading.rejected)
        return reading.messages


def topics_of(book: Rulebook, said: UnsubscribeToken) -> tuple[str, ...]:
    """The topics that sends of the rules name, and that of the mail, in order."""
    steps = (step for rule in book.rules for step in rule.route.every_step())
    named = {step.topic for step in steps if isinstance(step, Send) and step.topic is not None}
    return tuple(sorted(named | ({said.topic} if said.topic is not None else set())))


def _held(session: Session, said: UnsubscribeToken) -> Person | None:
    """The person of a token, whom nobody else changes or erases until the transaction ends."""
    while True:
        person = _person_of(session, said)
        if person is None or not session.lock([person.key], ()):
            return person


def _person_of(session: Session, said: UnsubscribeToken) -> Person | None:
    """The person for whom a token was made, or whom that person was merged into.

    In another store the number may be another person's; then the person has none of the user ids. In a store that
    was built anew of the same messages, the delivery leads to the person, if it is there.
    """
    keys = (said.person_key, session.survivor_of(said.person_key))
    found = _first_of(session, said, [key for key in keys if key is not None])
    if found is not None:
        return found
    deliveries = session.deliveries_by_key([said.delivery])
    return _first_of(session, said, [delivery.person_key for delivery in deliveries])


def _first_of(session: Session, said: UnsubscribeToken, keys: Collection[int]) -> Person | None:
    for person in session.persons(keys) if keys else ():
        known = session.identifiers_of([person.key])
        if said.is_of(each.value for each in known if each.kind is IdKind.USER):
            return person
    return None


def _behind(now: datetime, person: Person, names: Iterable[str]) -> datetime:
    """Now, or right behind the newest of these attributes, whose sender's clock may be ahead."""
    stamps = [person.stamps[name] for name in names if name in person.stamps]
    return max(now, from_micros(max(stamps)) + _MICROSECOND) if stamps else now


def _locale(attributes: Mapping[str, JsonValue]) -> str | None:
    found = (attributes.get(name) for name in _LOCALES)
    return next((value for value in found if isinstance(value, str)), None)
