"""How many people a run may let in now, by the rate of its broadcast: exact for every stretch of time of that length.

The run itself remembers when it let people in lately. So the rate holds over restarts and in every process.
"""

from datetime import datetime
from typing import Final

from whereupon.messages.times import EPOCH, later
from whereupon.records import LetIn
from whereupon.rules.model import AudienceRate

_CELLS: Final = 60
"""What is let in within one sixtieth of the time counts as let in with the last of it, so that a run stays small."""


def room_at(rate: AudienceRate, let_in: tuple[LetIn, ...], at: datetime) -> int:
    """How many people may be let in at an instant."""
    return rate.people - sum(each.people for each in _lately(rate, let_in, at))


def with_people(
    rate: AudienceRate, let_in: tuple[LetIn, ...], at: datetime, people: int
) -> tuple[LetIn, ...]:
    """What a run remembers after it has let people in."""
    lately = _lately(rate, let_in, at)
    if people == 0:
        return lately
    last = lately[-1] if lately else None
    if last is not None and _cell(rate, last.at) == _cell(rate, at):
        return (*lately[:-1], LetIn(at, last.people + people))
    return (*lately, LetIn(at, people))


def free_at(rate: AudienceRate, let_in: tuple[LetIn, ...], at: datetime) -> datetime:
    """The first instant from ``at`` on at which a person may be let in."""
    if room_at(rate, let_in, at) > 0:
        return at
    return later(_lately(rate, let_in, at)[0].at, rate.per)


def _lately(rate: AudienceRate, let_in: tuple[LetIn, ...], at: datetime) -> tuple[LetIn, ...]:
    """What counts at an instant: exactly so long ago is over."""
    return tuple(each for each in let_in if at < later(each.at, rate.per))


def _cell(rate: AudienceRate, at: datetime) -> int:
    return (at - EPOCH) // (rate.per / _CELLS)
