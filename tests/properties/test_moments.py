"""Dates and silences beside a model of a few lines, whatever comes in one batch, on every kind of store."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.rule_files import campaign
from tests.stores import Opener
from tests.worlds import DAY, after, message, world

from whereupon.messages.model import Message, MessageType

RULES = (
    campaign("dated", {"date": "person.due", "before": "2d"}, max_age="90d"),
    campaign("quiet", {"quiet": "Signed In", "for": "7d"}, max_age="90d"),
)
DAYS = st.lists(st.integers(0, 40), max_size=12).map(sorted)
TOLD = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 50)), max_size=8).map(sorted)
END = 60


def _on(day: int) -> datetime:
    """Noon of a day of the test; its date begins half a day before."""
    return after(day * DAY)


def _silences(signed_in: list[int], known: int) -> list[datetime]:
    """When a silence of seven days is over: none of the sign-ins comes before, or at that very instant."""
    begun = [known, *signed_in]
    nexts = [*signed_in, END + 1]
    ends = ((begin + 7, until) for begin, until in zip(begun, nexts, strict=True))
    return [_on(end) for end, until in ends if end < until and end <= END]


def _dates(told: list[tuple[int, int]]) -> list[datetime]:
    """When a date is two days ahead that was told before, unless it moves first; once for each date."""
    found: dict[int, datetime] = {}
    for place, (day, date) in enumerate(told):
        until = told[place + 1][0] if place + 1 < len(told) else END + 1
        moment = _on(date - 2).replace(hour=0)
        if _on(day) < moment < _on(until):
            found.setdefault(date, moment)
    return sorted(found.values())


def _messages(signed_in: list[int], told: list[tuple[int, int]]) -> list[Message]:
    sent: list[tuple[int, int, MessageType, Mapping[str, JsonValue]]] = [
        *((day, n, MessageType.TRACK, {}) for n, day in enumerate(signed_in)),
        *(
            (day, 100 + n, MessageType.IDENTIFY, {"due": _on(date).date().isoformat()})
            for n, (day, date) in enumerate(told)
        ),
    ]
    return [
        message(
            f"m-{n}",
            type_=type_,
            name="Signed In" if n < 100 else "",
            user="ada",
            at=day * DAY,
            data=data,
        )
        for day, n, type_, data in sorted(sent, key=lambda each: each[:2])
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(signed_in=DAYS, told=TOLD, size=st.integers(1, 8))
def test_moments_are_those_of_the_model(
    opener: Opener, signed_in: list[int], told: list[tuple[int, int]], size: int
) -> None:
    """Messages arrive in batches of any size, and time goes on to the end."""
    arriving = _messages(signed_in, told)
    if not arriving:
        return
    with opener() as store:
        made = world(*RULES, store=store)
        for first in range(0, len(arriving), size):
            part = arriving[first : first + size]
            made.decided += made.engine.take(part, until=part[-1].received_at).decisions
            made.clock.move_to(part[-1].received_at)
        made.run(END * DAY)
        found = {
            rule: [d.timestamp for d in made.decided if d.rule == rule]
            for rule in ("dated", "quiet")
        }
    known = round((arriving[0].timestamp - _on(0)) / timedelta(days=1))
    assert found["dated"] == _dates(told)
    assert found["quiet"] == _silences(signed_in, known)
