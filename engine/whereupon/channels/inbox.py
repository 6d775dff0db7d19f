"""The inbox: messages are kept in the store, for the host to show them itself."""

from datetime import timedelta
from typing import Final

from whereupon.delivery.retries import GiveUp
from whereupon.messages.times import parse_duration
from whereupon.ports import ChannelHost
from whereupon.records import Delivery

FOREVER: Final = "forever"


class Inbox:
    """Keeps each delivery as an item of its person's inbox; the same delivery is kept once.

    ``expires`` in the content of a step (``expires: 3d``, ``expires: forever``) comes before the channel's own.

    Args:
        expires: how long an item is shown, such as ``30d``; ``forever`` for no end.
        keep: the most items of this channel that a person has; the oldest make room for the newest.

    Raises:
        ValueError: ``expires`` is not a duration longer than nothing, or ``keep`` is less than 1.
    """

    address: None = None
    """An inbox has no address beside the person."""

    def __init__(self, *, expires: str | timedelta = "30d", keep: int = 1_000) -> None:
        if keep < 1:
            message = f"keep is at least 1, not {keep}"
            raise ValueError(message)
        self._expires = _duration(expires)
        self._keep = keep
        self._host: ChannelHost | None = None

    def attach(self, host: ChannelHost) -> None:
        """Take the engine that keeps the items."""
        self._host = host

    def send(self, delivery: Delivery) -> None:
        """Keep one delivery.

        Raises:
            GiveUp: its ``expires`` is not a duration, or the person has been erased meanwhile.
        """
        if self._host is None:
            message = (
                "this inbox belongs to no engine; register it: engine.channel('inbox', Inbox())"
            )
            raise RuntimeError(message)
        content = dict(delivery.content)
        try:
            said = content.pop("expires", None)
            expires = self._expires if said is None else _duration(said)
        except ValueError as error:
            raise GiveUp(str(error)) from error
        shown = delivery.changed(content=content)
        if not self._host.put_in_inbox(shown, expires=expires, keep=self._keep):
            reason = "the person was erased before the message could be kept"
            raise GiveUp(reason)


def _duration(said: object) -> timedelta | None:
    """How long an item is shown; None for ever."""
    if said == FOREVER:
        return None
    duration = parse_duration(said.strip()) if isinstance(said, str) else said
    if not isinstance(duration, timedelta) or duration <= timedelta(0):
        message = (
            f"expires is a duration such as 90s, 2h or 30d, or forever; not {str(said)[:40]!r}"
        )
        raise ValueError(message)
    return duration
