"""The moment of the next change, held to conditions that are asked at many instants."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from whereupon.conditions import Condition, JsonValue, parse_condition
from whereupon.conditions.analysis import is_computable
from whereupon.conditions.moments import next_change
from whereupon.decide.history import HistoryEvent, HistoryUntil
from whereupon.errors import Severity
from whereupon.messages.codec import encode
from whereupon.messages.times import format_instant, format_local, from_micros

TICK: Final = timedelta(microseconds=1)
HOUR: Final = timedelta(hours=1)
ZONES: Final = st.sampled_from(sorted(available_timezones()))
SPANS: Final = st.sampled_from(("1s", "20m", "1h", "5h", "1d", "2d", "7d", "30d"))
DAYS: Final = st.sampled_from(("0d", "+0d", "1d", "+1d", "-1d", "+3d", "-2d", "+30d", "-400d"))
COUNTS: Final[st.SearchStrategy[dict[str, JsonValue]]] = st.sampled_from(
    (
        {},
        {"never": True},
        {"exactly": 1},
        {"exactly": 2},
        {"at_least": 2},
        {"at_most": 1},
        {"at_least": 1, "at_most": 2},
    )
)
STARTS: Final = st.integers(0, 68 * 366 * 86_400 * 4).map(
    lambda quarters: from_micros(quarters * 250_000)
)
AWAY: Final = st.one_of(
    st.integers(-8 * 96, 8 * 96).map(lambda quarters: quarters * HOUR / 4),
    st.timedeltas(timedelta(days=-9), timedelta(days=9)),
)


@dataclass(frozen=True)
class World:
    """A condition, and all that it may read."""

    start: datetime
    condition: Condition
    data: Mapping[str, JsonValue]
    past: HistoryUntil
    zone: tzinfo
    instants: Sequence[datetime] = field(default=())

    def holds(self, at: datetime) -> bool:
        """Whether the condition holds at an instant."""
        data = {**self.data, "timestamp": format_local(at, self.zone)}
        return self.condition.holds(data, self.past.until(at))


@st.composite
def written(draw: st.DrawFn, start: datetime, zone: tzinfo) -> JsonValue:
    """A value that says an instant near the start, in one of the ways in which clients write them."""
    at = start + draw(AWAY)
    local = at.astimezone(zone).replace(tzinfo=None)
    return draw(
        st.sampled_from(
            (
                format_instant(at),
                at.astimezone(zone).isoformat(),
                int(at.timestamp()),
                at.timestamp(),
                str(local.date()),
                local.replace(microsecond=0).isoformat(),
                local.replace(year=2024, month=2, day=29).date().isoformat(),
                "soon",
                None,
                [],
            )
        )
    )


@st.composite
def beside_now(draw: st.DrawFn) -> JsonValue:
    """What may be expected of a date beside now."""
    name = draw(
        st.sampled_from(("in_next", "in_last", "not_in_last", "within", "on_day", "anniversary"))
    )
    return {name: draw(DAYS if name in {"on_day", "anniversary"} else SPANS)}


@st.composite
def leaves(draw: st.DrawFn, start: datetime) -> JsonValue:
    """A condition that counts on time."""
    kind = draw(st.sampled_from(("date", "date", "performed", "time", "items", "plain")))
    if kind == "date":
        return {draw(st.sampled_from("ab")): draw(beside_now())}
    if kind == "performed":
        asked: dict[str, JsonValue] = {
            "event": draw(st.sampled_from(("x", "y"))),
            "within": draw(SPANS),
        }
        if draw(st.booleans()):
            asked["where"] = {"n": draw(st.integers(0, 2))}
        if draw(st.booleans()):
            asked["same"] = ["n"]
        return {"performed": {**asked, **draw(COUNTS)}}
    if kind == "time":
        limit = format_instant(start + draw(AWAY))
        text = limit[: draw(st.sampled_from((10, 13, 19, 20, 24, 30)))]
        name = draw(st.sampled_from((">", ">=", "<", "<=", "==", "!=", "===")))
        others: tuple[JsonValue, ...] = (text, {"var": "person.a"}, 20, None)
        sides: list[JsonValue] = [
            {"var": "timestamp"},
            draw(st.sampled_from(others)),
        ]
        return {"logic": {name: draw(st.permutations(sides))}}
    if kind == "items":
        test = draw(st.sampled_from(("any_item", "all_items", "no_item")))
        inner: tuple[JsonValue, ...] = (
            {"at": draw(beside_now())},
            {"at": {"before": "$.timestamp"}},
            {"at": {"after": "$.timestamp"}},
            {"$.timestamp": {"after": format_instant(start)}},
        )
        return {"list": {test: draw(st.sampled_from(inner))}}
    return {"flag": draw(st.booleans())}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A condition with a person, a past and a clock."""
    start, name = draw(STARTS), draw(ZONES)
    zone = ZoneInfo(name)
    raw = draw(
        st.recursive(
            leaves(start),
            lambda inner: st.one_of(
                st.builds(lambda each: {"not": each}, inner),
                st.builds(lambda each: {"any": each}, st.lists(inner, min_size=1, max_size=3)),
                st.builds(lambda each: {"all": each}, st.lists(inner, min_size=1, max_size=3)),
            ),
            max_leaves=4,
        )
    )
    condition, found = parse_condition(raw, root="person", history_allowed=True, untied=None)
    assert all(each.severity is Severity.WARNING for each in found), raw
    person: dict[str, JsonValue] = {
        "timezone": draw(st.sampled_from((name, name, "Nowhere/Land", None))),
        "a": draw(written(start, zone)),
        "b": draw(written(start, zone)),
        "flag": draw(st.booleans()),
        "list": [{"at": draw(written(start, zone))} for _ in range(draw(st.integers(0, 2)))],
    }
    events = {
        (1, event): [
            HistoryEvent(start + away, encode({"properties": {"n": draw(st.integers(0, 1))}}))
            for away in draw(st.lists(AWAY, max_size=5))
        ]
        for event in "xy"
    }
    trigger: dict[str, JsonValue] = {"n": draw(st.sampled_from((0, 1, None)))}
    past = HistoryUntil(events, 1, start, trigger)
    data: dict[str, JsonValue] = {
        "type": "track",
        "event": "x",
        "properties": {},
        "context": {},
        "person": person,
    }
    return World(start, condition, data, past, draw(st.sampled_from((UTC, UTC, zone))))


def samples(world: World, chain: Sequence[datetime]) -> list[datetime]:
    """Many instants of a fortnight, and those right beside the changes."""
    start = world.start
    grid = [start + HOUR * step / 2 for step in range(48 * 14)]
    whole = start.replace(minute=0, second=0, microsecond=0)
    hours = [whole + HOUR * step for step in range(1, 24 * 14)]
    near = [each + TICK * step for each in chain for step in (-1, 0, 1)]
    return sorted(each for each in {*grid, *hours, *near} if each >= start)


def chain_of(world: World, until: datetime) -> list[datetime]:
    """The start, and every change up to an instant."""
    chain = [world.start]
    while len(chain) < 100:
        moment = next_change(world.condition, world.data, world.past, world.zone, chain[-1])
        if moment is None or moment > until:
            break
        assert moment > chain[-1]
        chain.append(moment)
    return chain


@given(worlds())
def test_between_two_changes_a_condition_asked_anew_gives_the_same(world: World) -> None:
    """Following the changes finds every flip of a condition at each of many instants, in every timezone."""
    assert all(is_computable(each.logic) for each in world.condition.conjuncts)
    chain = chain_of(world, world.start + timedelta(days=14))
    if len(chain) == 100:
        return
    answers = [world.holds(each) for each in chain]
    for one, other in pairwise(answers):
        assert one is not other, "each change changes the condition"
    for at in samples(world, chain):
        expected = answers[bisect_right(chain, at) - 1]
        assert world.holds(at) is expected, (at, chain)


ODD: Final[st.SearchStrategy[JsonValue]] = st.one_of(
    st.sampled_from(
        (
            *(
                "0001-01-01",
                "9999-12-31T23:59:59.999999Z",
                "0001-01-01T00:00:00+14:00",
                "\0",
                "\ud800",
            ),
            *(
                1e300,
                -1e300,
                10**400,
                True,
                [],
                [[]],
                {},
                {"at": []},
                None,
                "Etc/GMT+12",
                "",
                "../x",
            ),
        )
    ),
    st.recursive(st.text(max_size=5) | st.integers(), st.lists, max_leaves=3),
)


@given(data=st.data(), after=st.integers(-60_000 * 10**12, 250_000 * 10**12).map(from_micros))
def test_no_data_makes_the_next_change_raise(data: st.DataObject, after: datetime) -> None:
    """Whatever JSON stands where a date, a list or a timezone is meant, and at either end of the calendar."""
    start = from_micros(0)
    raw: JsonValue = {"any": data.draw(st.lists(leaves(start), min_size=1, max_size=3))}
    condition, _ = parse_condition(raw, root="person", history_allowed=True, untied=None)
    person: JsonValue = {name: data.draw(ODD) for name in ("a", "b", "list", "timezone")}
    events = {(1, "x"): [HistoryEvent(after, encode({"properties": {"n": 1}}))]}
    past = HistoryUntil(events, 1, after, {"n": 1})
    zone = ZoneInfo(data.draw(ZONES))
    root = data.draw(st.sampled_from((person, {}, [], None)))
    moment = next_change(condition, {"person": root, "properties": {}}, past, zone, after)
    assert moment is None or moment > after
