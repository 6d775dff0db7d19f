"""Messages of the Segment spec, as values.

How a message is read from its wire form, and what is refused, is in `wire`.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue


class MessageType(StrEnum):
    """The six calls of the Segment spec."""

    IDENTIFY = "identify"
    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"


class Source(StrEnum):
    """The class of sender: a server key (the library is one too), or a browser or mobile key."""

    SERVER = "server"
    CLIENT = "client"


class Origin(StrEnum):
    """How a message came in; only what is live may ask for something destructive.

    A replay is live towards its own throwaway store.
    """

    LIVE = "live"
    IMPORT = "import"


class Message(NamedTuple):
    """One call of the Segment spec, accepted.

    Attributes:
        name: the event's name of a track, the page's or screen's name, else ``""``.
        target_id: the ``previousId`` of an alias, the ``groupId`` of a group, else None.
        timestamp: when it happened, corrected for the sender's clock; never after `received_at`.
        original_timestamp: when it happened by the sender's own clock, where that was sent.
        data: the properties of a track, page or screen; the traits of an identify or group.
        body: `data` and `context` as JSON, as the store keeps them.
        depth: how many ``track`` steps led to it; 0 for what came from outside.
    """

    message_id: str
    type: MessageType
    name: str
    user_id: str | None
    anonymous_id: str | None
    target_id: str | None
    timestamp: datetime
    received_at: datetime
    original_timestamp: datetime | None
    source: Source
    origin: Origin
    data: Mapping[str, JsonValue]
    context: Mapping[str, JsonValue]
    body: bytes
    depth: int = 0
