"""What is kept of event names from message to message."""

from typing import Final, TypeAlias, TypeVar

from whereupon.matching.trigger_match import TriggerMatch
from whereupon.messages.model import MessageType

PlainNames: TypeAlias = dict[MessageType, dict[str, TriggerMatch | None]]
"""By type and name: what the messages do if they may be plain, else None (see `plain_messages`)."""

_MOST: Final = 10_000
_Name = TypeVar("_Name")
_Kept = TypeVar("_Kept")


def keep(kept: dict[_Name, _Kept], name: _Name, found: _Kept) -> _Kept:
    """Keep what was found of a name, and give it back.

    Senders choose names, so their number is bounded: all are forgotten when there are many. Names that rules use come
    again soon, and are found once more.
    """
    if len(kept) >= _MOST:
        kept.clear()
    kept[name] = found
    return found
