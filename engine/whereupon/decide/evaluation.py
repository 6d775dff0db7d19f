"""One message as it is evaluated against the rules, for one person."""

from collections.abc import Container, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from pydantic import JsonValue
from typing_extensions import override

from whereupon.conditions import NO_HISTORY, History
from whereupon.conditions.values import ROOTS
from whereupon.decide.decisions import Reason
from whereupon.messages.model import MessageType, SenderClass, body_context, body_data, ref_of
from whereupon.messages.structs import Unfrozen
from whereupon.messages.times import format_local
from whereupon.records import StoredMessage


class Evaluation(Unfrozen):  # what is read of the message is kept beside it
    """One recorded message, or one time of a scheduled broadcast, and the person it is evaluated for.

    Attributes:
        key: of the recorded message.
        type: None for a broadcast's time.
        text: the message as JSON text; empty for a broadcast's time.
        depth: how many steps led to the message, one after another.
        person_key: 0 if no person is known.
        now: when the engine evaluates the message. A message's age is measured up to it, since a message
            is evaluated when it arrives, or when its person claims it.
        retroactive: the message was anonymous, and a claim brought it to the person.
        reason: why every rule is skipped, if every rule is.
        zone: the timezone in which conditions read the message's time.
        data, history: what conditions read, once `see` has been called.
    """

    key: int
    message_id: str
    type: MessageType | None
    name: str
    timestamp: datetime
    text: bytes
    target_id: str | None
    source: SenderClass
    depth: int
    person_key: int
    now: datetime
    retroactive: bool = False
    reason: Reason | None = None
    zone: tzinfo = UTC
    data: dict[str, JsonValue] = {}  # noqa: RUF012 - each gets its own
    history: History = NO_HISTORY
    _properties: Mapping[str, JsonValue] | None = None
    _context: Mapping[str, JsonValue] | None = None

    @classmethod
    def of(
        cls,
        stored: StoredMessage,
        person_key: int,
        now: datetime,
        *,
        retroactive: bool = False,
        reason: Reason | None = None,
    ) -> "Evaluation":
        """A recorded message, to be evaluated for a person."""
        message = stored.message
        return cls(  # all by position: an argument by its name costs as much as several others
            stored.key,
            message.message_id,
            message.type,
            message.name,
            message.timestamp,
            message.body,
            message.target_id,
            message.source,
            message.depth,
            person_key,
            now,
            retroactive,
            reason,
            UTC,
            {},
            NO_HISTORY,
            message.properties,
        )

    @property
    def ref(self) -> str:
        """See `ref_of`."""
        return ref_of(self.message_id, self.source)

    @property
    def properties(self) -> Mapping[str, JsonValue]:
        """The properties of the message, or its traits; read when they are first asked for."""
        if self._properties is None:
            of_type = MessageType.TRACK if self.type is None else self.type
            self._properties = body_data(of_type, self.text)
        return self._properties

    @property
    def context(self) -> Mapping[str, JsonValue]:
        """The message's context (Segment spec, Common fields)."""
        if self._context is None:
            self._context = body_context(self.text)
        return self._context

    def see(
        self,
        attributes: Mapping[str, JsonValue],
        history: History,
        roots: Container[str] = ROOTS,
    ) -> "Evaluation":
        """Set what conditions read: the message beside a person; gives the evaluation back.

        Args:
            attributes: the person's.
            roots: what the conditions read; the time and the context are left out if none reads them.
        """
        self.data = self.as_data(attributes, roots)
        self.history = history
        return self

    def as_data(
        self, attributes: Mapping[str, JsonValue], roots: Container[str] = ROOTS
    ) -> dict[str, JsonValue]:
        """The message beside a person's attributes, as conditions read them; read only."""
        data: dict[str, object] = {
            "type": self.type,
            "event": self.name,
            "properties": self.properties,
            "person": attributes,
        }
        if "context" in roots:
            data["context"] = self.context
        if "timestamp" in roots:
            data["timestamp"] = format_local(self.timestamp, self.zone)
        return data  # type: ignore[return-value]  # mappings of JSON, never written to

    def facts(self) -> "MessageFacts":
        """What the templates of an entry read of the message that opened the entry."""
        return MessageFacts(self)

    def copy(self) -> "Evaluation":
        """Another evaluation of the same message, which shares what was read."""
        return Evaluation(
            self.key,
            self.message_id,
            self.type,
            self.name,
            self.timestamp,
            self.text,
            self.target_id,
            self.source,
            self.depth,
            self.person_key,
            self.now,
            self.retroactive,
            self.reason,
            self.zone,
            self.data,
            self.history,
            self._properties,
            self._context,
        )

    def unsee(self) -> None:
        """Let go of what conditions read."""
        self.data, self.history = {}, NO_HISTORY

    def forget(self) -> None:
        """Let go of what conditions read and of the decoded message, which can be decoded again."""
        self.unsee()
        if self.text:
            self._properties = self._context = None


class MessageFacts(Mapping[str, JsonValue]):
    """What the templates of an entry read of a message; each part is read when it is first asked for."""

    __slots__ = ("_message",)

    def __init__(self, message: Evaluation) -> None:
        self._message = message

    @override
    def get(self, name: str, default: Any = None) -> Any:
        if name == "properties":  # which templates ask for most
            return self._message.properties
        return self[name] if name in _FACTS else default

    @override
    def __getitem__(self, name: str) -> JsonValue:
        message = self._message
        value: object
        match name:
            case "type":
                value = message.type
            case "event":
                value = message.name
            case "properties":
                value = message.properties
            case "context":
                value = message.context
            case "timestamp":
                value = format_local(message.timestamp, message.zone)
            case _:
                raise KeyError(name)
        return value  # type: ignore[return-value]  # mappings of JSON, never written to

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(_FACTS)

    @override
    def __len__(self) -> int:
        return len(_FACTS)

    @override
    def __repr__(self) -> str:
        return repr(dict(self))


_FACTS: Final = ("type", "event", "properties", "context", "timestamp")
