"""Messages of the Segment spec as values (interface; see below for parsing)."""

from enum import StrEnum


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
