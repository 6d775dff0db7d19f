"""Small worlds for tests: an engine on a real store with a frozen clock; times are minutes after noon."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypedDict, Unpack, cast

from pydantic import JsonValue
from tests.rule_files import File, book_of

from whereupon.decide.decisions import Decision
from whereupon.engine import Engine
from whereupon.messages.codec import encode
from whereupon.messages.model import Message, MessageType, Origin, SenderClass, Source
from whereupon.pipeline.ingestion import Ingested
from whereupon.ports import Store
from whereupon.records import Delivery, Device, Entry, Person, StoredMessage, Timer
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import MemoryStore, open_store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = 60
DAY = 24 * HOUR


def after(minutes: float) -> datetime:
    """The instant so many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


class Extra(TypedDict, total=False):
    """Fields that every message may have.

    Attributes:
        at: when it happened; now by default.
        arrives: when it arrives; never before what arrived last, by default when it happened.
    """

    at: float
    arrives: float
    anonymous: str
    message_id: str
    source: str
    context: JsonValue


@dataclass
class World:
    """An engine, its rules and its clock."""

    files: list[File] = field(default_factory=list)
    store: str | Store = "memory://"
    clock: FrozenClock = field(default_factory=lambda: FrozenClock(NOON))

    def __post_init__(self) -> None:
        self.home = open_store(self.store) if isinstance(self.store, str) else self.store
        self.engine = self._open()
        self.decided: list[Decision] = []

    def _open(self) -> Engine:
        return Engine(self.home, book_of(*self.files), clock=self.clock)

    def change_rules(self, *files: File) -> None:
        """Go on with other rules on the same store."""
        self.files = list(files)
        self.engine = self._open()

    # --- what time has led to -------------------------------------------------------------------

    def timers(self) -> list[Timer]:
        """Every timer of the store."""
        with self.home.session() as session:
            return sorted(session.scan(Timer))

    def moments(self) -> list[tuple[str | None, str, str]]:
        """Person, moment, and what became of it, of every decision."""
        return [
            (d.person, f"{d.timestamp:%m-%d %H:%M}", d.reason or d.outcome.value)
            for d in self.decided
        ]

    # --- what happens -------------------------------------------------------------------------

    def send(self, type_: str, user: str | None, body: File, extra: Extra) -> Ingested:
        """Let one message arrive."""
        at = extra.get("at")
        arrives = extra.get("arrives", at)
        if arrives is not None:
            self.clock.move_to(after(arrives))
        wire: File = {"type": type_, "userId": user, "anonymousId": extra.get("anonymous"), **body}
        wire["timestamp"] = None if at is None else after(at).isoformat()
        wire["messageId"] = extra.get("message_id")
        wire["context"] = extra.get("context")
        result = self.engine.ingest([wire], source=cast("Source", extra.get("source", "server")))
        self.decided += result.decisions
        assert not result.rejected, result.rejected
        return result

    def track(
        self,
        event: str,
        user: str | None = None,
        properties: JsonValue = None,
        **extra: Unpack[Extra],
    ) -> Ingested:
        """Send a track call."""
        return self.send("track", user, {"event": event, "properties": properties}, extra)

    def identify(
        self, user: str | None = None, traits: JsonValue = None, **extra: Unpack[Extra]
    ) -> Ingested:
        """Send an identify call."""
        return self.send("identify", user, {"traits": traits}, extra)

    def alias(self, user: str, previous: str, **extra: Unpack[Extra]) -> Ingested:
        """Send an alias call, which merges two ids."""
        return self.send("alias", user, {"previousId": previous}, extra)

    def group(
        self, user: str, group: str, traits: JsonValue = None, **extra: Unpack[Extra]
    ) -> Ingested:
        """Send a group call."""
        return self.send("group", user, {"groupId": group, "traits": traits}, extra)

    def run(self, until: float) -> None:
        """Let time pass, and do due work at its time; deliveries stay in the outbox."""
        for woken in self.engine.wake(after(until)):
            self.decided += woken.decisions
        self.clock.move_to(after(until))

    # --- what became of it --------------------------------------------------------------------

    @property
    def verdicts(self) -> list[tuple[str | None, str, str]]:
        """Person, rule, and ``entered`` or the reason, of every decision so far."""
        return [(d.person, d.rule, d.reason or d.outcome.value) for d in self.decided]

    @property
    def outcomes(self) -> list[str]:
        """``entered`` or the reason, of every decision so far."""
        return [outcome for _, _, outcome in self.verdicts]

    @property
    def entered(self) -> list[str]:
        """The ids of the messages that opened entries, in the order of deciding."""
        return [d.message_id for d in self.decided if d.reason is None]

    @property
    def memory(self) -> MemoryStore:
        """The store, which is in memory."""
        assert isinstance(self.home, MemoryStore)
        return self.home

    def person(self, user: str) -> Person | None:
        """The person with this user id, if there is one."""
        with self.home.session() as session:
            found = session.identifiers([user], [])
            persons = session.persons([known.key for known in found])
        return persons[0] if persons else None

    def attributes(self, user: str) -> Mapping[str, JsonValue]:
        """The person's attributes."""
        person = self.person(user)
        assert person is not None
        return person.attributes

    def messages(self) -> dict[str, StoredMessage]:
        """Every message that is recorded, by its id."""
        return {stored.message_id: stored for stored in self.memory.schema.messages.rows.values()}

    def owners(self) -> dict[str, str | None]:
        """The owner of every stored message: a user id, or None if it has no person."""
        persons = self.memory.schema.persons.rows
        return {
            message_id: persons[stored.owner].user_id if stored.owner in persons else None
            for message_id, stored in self.messages().items()
        }

    def entries(self) -> list[Entry]:
        """Every entry, oldest first."""
        return [entry for _, entry in sorted(self.memory.schema.entries.rows.items())]

    def deliveries(self) -> list[Delivery]:
        """Every delivery, oldest first."""
        return [*reversed(self.engine.deliveries(limit=1000))]

    def titles(self) -> list[JsonValue]:
        """The titles of every delivery, oldest first."""
        return [delivery.content.get("title") for delivery in self.deliveries()]

    def devices(self) -> dict[str, Device]:
        """Every device by its token."""
        return dict(self.memory.schema.devices.rows)

    def requests(self) -> list[tuple[str, str, str | None]]:
        """Action, outcome and reason of every request, oldest first."""
        asked = reversed(self.engine.requests(limit=1000))
        return [(request.action, request.outcome.value, request.reason) for request in asked]


def world(*files: File, store: str | Store = "memory://") -> World:
    """A world under these rules."""
    return World(list(files), store)


def message(  # noqa: PLR0913 - a message has that many parts
    message_id: str,
    *,
    type_: MessageType = MessageType.TRACK,
    name: str = "",
    user: str | None = None,
    anonymous: str | None = None,
    target: str | None = None,
    at: float = 0,
    arrives: float | None = None,
    source: SenderClass = SenderClass.SERVER,
    origin: Origin = Origin.LIVE,
    data: Mapping[str, JsonValue] | None = None,
    context: Mapping[str, JsonValue] | None = None,
) -> Message:
    """A message as a value."""
    data, context = dict(data or {}), dict(context or {})
    key = "properties" if type_ in {MessageType.TRACK, MessageType.PAGE} else "traits"
    return Message(
        message_id=message_id,
        type=type_,
        name=name,
        user_id=user,
        anonymous_id=anonymous,
        target_id=target,
        timestamp=after(at),
        received_at=after(at if arrives is None else arrives),
        original_timestamp=after(at),
        source=source,
        origin=origin,
        body=encode({key: data, "context": context}),
    )


def decided(result: Iterable[object]) -> list[tuple[str, str | None, str, str]]:
    """Message, person, rule and outcome of every decision among the records."""
    return [
        (d.message_id, d.person, d.rule, d.reason or d.outcome.value)
        for d in result
        if isinstance(d, Decision)
    ]
