"""What a connection waits for."""

from enum import Enum, auto


class Phase(Enum):
    """What the client is to send next."""

    HEAD = auto()
    BODY = auto()
    NOTHING = auto()
    """The connection is about to close; what comes is thrown away."""
