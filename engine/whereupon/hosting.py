"""What the host decides when it opens an engine, and says with a message; and what a round tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from whereupon.actions import stance_on
from whereupon.decisions import Decision
from whereupon.delivery import Dispatched
from whereupon.fold import Settings
from whereupon.identity import IdentityPolicy
from whereupon.rules import Rulebook
from whereupon.semantics import Registry


class Options(TypedDict, total=False):
    """What every message call takes besides its own.

    Attributes:
        message_id: makes recording idempotent for ever; a fresh one by default.
        timestamp: when it happened; now by default. Aware, or ISO 8601 text.
        context: as in the Segment spec.
        source: the class of sender, ``server`` (the default) or ``client``.
        connection: the host's own, whose transaction is used.
    """

    message_id: str
    timestamp: datetime | str
    context: Mapping[str, object]
    source: str
    connection: object


@dataclass(frozen=True, slots=True)
class Ran:
    """What a round of due work did: what waits and broadcasts led to, and how dispatching went."""

    decisions: list[Decision] = field(default_factory=list)
    dispatched: Dispatched = field(default_factory=Dispatched)


def settings_for(
    book: Rulebook, *, identity: IdentityPolicy | None = None, digest_key: bytes = b""
) -> Settings:
    """The fold's settings under a rulebook's guard files."""
    registry = Registry()
    return Settings(
        identity=identity or IdentityPolicy(),
        registry=registry,
        stances={action.name: stance_on(action, book.guards) for action in registry.actions},
        digest_key=digest_key,
    )
