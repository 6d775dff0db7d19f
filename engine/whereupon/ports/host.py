"""What the engine needs from its host: a clock, channels that send deliveries, a transaction to share."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from whereupon.records import Delivery, Device


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


Channel: TypeAlias = Callable[[Delivery], object]
"""Sends one delivery. If it raises, the delivery is tried again; `delivery.RetryLater` says when."""


@runtime_checkable
class Sender(Protocol):
    """A channel as an object.

    It may also have `attach`, which the engine calls with itself when the channel is registered
    (see `Attachable`).
    """

    def send(self, delivery: Delivery) -> object:
        """Send one delivery; the same as a function that is a `Channel`."""
        ...


@runtime_checkable
class BatchSender(Protocol):
    """A channel that takes several deliveries in one call.

    It may have an attribute `batch_size`, the most deliveries that it takes (100 by default).
    """

    def send_many(self, deliveries: Sequence[Delivery]) -> object:
        """Send deliveries.

        Returns:
            None if all were sent; else a list that has for each of them None, or the exception that
            `Sender.send` would raise (so a coroutine does that in the end, if this is `async`).
        """
        ...


class LinkMaker(Protocol):
    """Makes links for mails, at the host's public URL (see `delivery.links.Links`)."""

    def unsubscribe(self, delivery: Delivery) -> str:
        """The link to unsubscribe from what a delivery is about; also for the header of RFC 8058."""
        ...

    def click(self, delivery: Delivery, url: str) -> str:
        """A link that reports the delivery as clicked, and leads on to an URL."""
        ...

    def opened(self, delivery: Delivery) -> str:
        """The address of an image that reports the delivery as opened."""
        ...

    def callback(self, delivery: Delivery) -> str:
        """Where a provider reports what became of a delivery; it signs what it sends there."""
        ...

    def rewrite(
        self, html: str, delivery: Delivery, *, clicks: bool = True, opens: bool = True
    ) -> str:
        """An HTML text whose links report clicks, and that ends with an image that reports opens."""
        ...


class ChannelHost(Protocol):
    """What an engine lets its channels use."""

    @property
    def links(self) -> LinkMaker | None:
        """Makes links; None if the engine was opened without a ``public_url``."""
        ...

    @property
    def clock(self) -> Clock:
        """Says the time."""
        ...

    def put_in_inbox(self, delivery: Delivery, *, expires: timedelta | None, keep: int) -> bool:
        """Keep a delivery as an item of its person's inbox, in one transaction; a repeated call changes nothing.

        Args:
            delivery: its idempotency key becomes the item's key.
            expires: how long it is shown; None for ever.
            keep: the most items that the person has of the delivery's channel; the oldest go.

        Returns:
            Whether there was a person; False if they have been erased.
        """
        ...

    def devices(self, person: str) -> Sequence[Device]:
        """The devices of a person; none if nobody has that user id."""
        ...

    def delete_device(self, person: str, device: Device) -> None:
        """Delete a device that no longer exists, by the message ``Device Deleted`` of a server."""
        ...

    def report(
        self,
        key: str,
        metric: str,
        *,
        at: datetime | None = None,
        reason: str | None = None,
        permanent: bool = True,
    ) -> object:
        """Report what became of a delivery, such as a bounce (see `Engine.report`)."""
        ...


class FindingLevel(StrEnum):
    """How bad what a check finds is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """What a check of the set-up finds. It has neither a secret nor a person's data.

    Attributes:
        said: one sentence: what was looked at, and what is wrong with it.
        advice: one sentence: what to do; empty if nothing has to be done.
    """

    level: FindingLevel
    said: str
    advice: str = ""


@runtime_checkable
class Checkable(Protocol):
    """A channel that can say whether it could deliver now."""

    def check(self) -> Sequence[Finding]:
        """Look whether it could deliver, without delivering anything. It raises nothing."""
        ...


@runtime_checkable
class Attachable(Protocol):
    """A channel that needs something of the engine that it is registered with.

    If it has `close`, the engine calls that when it is closed itself.
    """

    def attach(self, host: ChannelHost) -> None:
        """Take what it needs; called once, when it is registered, before any delivery."""
        ...


NO_CHANNEL = "no-channel"
"""The reason of a held delivery: no process that looked at it had its channel."""


class HostTransaction(Protocol):
    """A connection of the host's whose open transaction a call may use.

    An SQLAlchemy ``Connection``, or one of the driver: ``sqlite3.Connection``, ``psycopg.Connection``. The
    engine calls neither method: ending the transaction is the host's affair.
    """

    def commit(self) -> object:
        """End the transaction for good."""
        ...

    def rollback(self) -> object:
        """Take the transaction back."""
        ...
