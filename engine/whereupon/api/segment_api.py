"""The six calls of the Segment spec, as an application makes them; each becomes one message in wire form."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Unpack

from whereupon.api.config import MessageOptions
from whereupon.messages.model import Source
from whereupon.pipeline.ingestion import Ingested, WireMessage, refuse
from whereupon.ports import HostTransaction

_ALSO = tuple(MessageOptions.__annotations__)
_KNOWN = frozenset(_ALSO)


class SegmentCalls(ABC):
    """The six calls, for a class that can ingest a batch.

    Every call raises `MessageRejectedError` if the message cannot be accepted.
    """

    @abstractmethod
    def ingest(
        self,
        batch: Iterable[WireMessage] | WireMessage,
        *,
        source: Source = "server",
        connection: HostTransaction | None = None,
    ) -> Ingested:
        """Take a batch of wire-form messages."""

    def track(
        self,
        event: str,
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        properties: Mapping[str, object] | None = None,
        **options: Unpack[MessageOptions],
    ) -> Ingested:
        """Record that a person did something (Segment spec, Track).

        Raises:
            MessageRejectedError: the message cannot be accepted; so for every call of one message.
            TypeError: there is no such argument; likewise.
        """
        body = {
            "type": "track",
            "event": event,
            "properties": properties,
            "userId": user_id,
            "anonymousId": anonymous_id,
        }
        return self._send(body, options)

    def page(
        self,
        name: str = "",
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        properties: Mapping[str, object] | None = None,
        **options: Unpack[MessageOptions],
    ) -> Ingested:
        """Record that a person saw a page (Segment spec, Page)."""
        body = {"type": "page", "name": name, "properties": properties}
        return self._send({**body, "userId": user_id, "anonymousId": anonymous_id}, options)

    def screen(
        self,
        name: str = "",
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        properties: Mapping[str, object] | None = None,
        **options: Unpack[MessageOptions],
    ) -> Ingested:
        """Record that a person saw an app's screen (Segment spec, Screen)."""
        body = {"type": "screen", "name": name, "properties": properties}
        return self._send({**body, "userId": user_id, "anonymousId": anonymous_id}, options)

    def identify(
        self,
        user_id: str | None = None,
        *,
        anonymous_id: str | None = None,
        traits: Mapping[str, object] | None = None,
        **options: Unpack[MessageOptions],
    ) -> Ingested:
        """Say who a person is (Segment spec, Identify); with an anonymous id it is a claim."""
        body = {"type": "identify", "traits": traits}
        return self._send({**body, "userId": user_id, "anonymousId": anonymous_id}, options)

    def group(
        self,
        group_id: str,
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        traits: Mapping[str, object] | None = None,
        **options: Unpack[MessageOptions],
    ) -> Ingested:
        """Relate a person to an object, and describe the object (Segment spec, Group)."""
        body = {"type": "group", "groupId": group_id, "traits": traits}
        return self._send({**body, "userId": user_id, "anonymousId": anonymous_id}, options)

    def alias(
        self, user_id: str, *, previous_id: str, **options: Unpack[MessageOptions]
    ) -> Ingested:
        """Merge the person of ``previous_id`` into the person of ``user_id`` (Segment spec, Alias)."""
        return self._send({"type": "alias", "userId": user_id, "previousId": previous_id}, options)

    def _send(self, body: Mapping[str, object], options: MessageOptions) -> Ingested:
        given = {name: value for name, value in body.items() if value is not None}
        ingested = self._send_with(given, options) if options else self.ingest(given)
        if ingested.rejected:
            refuse(ingested.rejected)
        return ingested

    def _send_with(self, body: Mapping[str, object], options: MessageOptions) -> Ingested:
        if unknown := options.keys() - _KNOWN:  # a slip in `source` or `connection` must not pass
            message = f"there is no argument {min(unknown)!r}; there are also: {', '.join(_ALSO)}"
            raise TypeError(message)
        more = {
            "messageId": options.get("message_id"),
            "timestamp": options.get("timestamp"),
            "context": options.get("context"),
        }
        given = dict(body)
        given |= {name: value for name, value in more.items() if value is not None}
        return self.ingest(
            given,
            source=options.get("source", "server"),
            connection=options.get("connection"),
        )
