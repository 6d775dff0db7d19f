"""What an answer of a provider means for a delivery: sent, again, or never."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from pydantic import JsonValue

from whereupon.delivery.retries import GiveUp, RetryLater
from whereupon.messages.codec import decode
from whereupon.runtime.log_lines import log_event

LONGEST_ASKED: Final = timedelta(days=1)
"""The longest time that an answer can ask for by ``Retry-After``."""

_OUR_OWN: Final = frozenset({401, 403, 407})
# A time-out, a conflict with a request under way, a wrong connection, a lock, too early, too many.
_IN_PASSING: Final = frozenset({408, 409, 421, 423, 424, 425, 429})
_OVERLOADED: Final = frozenset({429, 503})
_LOG = logging.getLogger("whereupon.channels")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer to one request.

    Attributes:
        headers: by their names in lower case.
        body: its first 64 KB, as they were sent.
        is_last: whether the connection ends with it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_last: bool = True

    @property
    def json(self) -> Mapping[str, JsonValue]:
        """The body, if it is a JSON object; else an empty mapping."""
        try:
            found = decode(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def after(answer: HttpAnswer, now: datetime) -> timedelta | None:
    """How long a ``Retry-After`` asks to wait (RFC 9110, 10.2.3): seconds, or a date.

    A date is measured from the answer's own ``Date``, so that the two clocks need not agree; from ``now``
    without one. What cannot be read is as if it were not there. The longest is `LONGEST_ASKED`.
    """
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(timedelta(seconds=min(int(said[:12]), 10**9)), LONGEST_ASKED)
    until = _date(said)
    if until is None:
        return None
    wait = until - (_date(answer.headers.get("date", "")) or now)
    return min(max(wait, timedelta()), LONGEST_ASKED)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def settle(
    answer: HttpAnswer, *, service: str, channel: str, now: datetime, is_shared: bool = True
) -> None:
    """Return if the status says that the delivery was taken.

    Args:
        service: who answered, for the reason.
        channel: the channel's name, for the log.
        now: for a ``Retry-After`` that is a date.
        is_shared: whether all deliveries of the channel go to this service, so that a ``Retry-After`` of 429
            or 503 makes the whole channel rest.

    Raises:
        RetryLater: 401, 403, 407 (our own credentials: an error is logged), 408, 409, 421, 423, 424, 425,
            429, and everything from 500 on.
        GiveUp: every other status; redirects (3xx) are not followed.
    """
    status = answer.status
    reason = f"{service} answered {status}"
    match status // 100:
        case 2:
            return
        case 3:
            reason = f"{reason}: redirects are not followed; write the URL that it leads to"
            raise GiveUp(reason)
        case 1 | 4 if status not in _IN_PASSING | _OUR_OWN:
            raise GiveUp(reason)
    if status in _OUR_OWN:
        own_fault(channel, status)
        reason = f"{reason}: it does not accept our credentials or signature"
    is_whole = is_shared and status in _OVERLOADED
    raise RetryLater(after=after(answer, now), reason=reason, channel=is_whole)


def own_fault(channel: str, status: int | str) -> None:
    """Log that a provider refuses us, and not a delivery: an operator has to act."""
    log_event(_LOG, logging.ERROR, "channel-refused", channel=channel, status=status)
