"""What the engine says of people's segments is at any time what asking their conditions anew gives.

The rules watch segments that count on time. Each decision on a rule says that a person entered its segment, or left
it; all decisions in their order say whether the person is in it. That is compared with the condition, asked of what
the store has, whenever time has passed; and each change by time is compared at its own instant.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias, cast

from hypothesis import given, note
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples
from tests.rule_files import File, book_of, campaign, segment
from tests.stores import Opener
from tests.worlds import Extra, World, after, world

from whereupon.decide.decisions import Decision
from whereupon.decide.history import HistoryUntil, events_of
from whereupon.messages.times import FIRST_INSTANT, format_instant
from whereupon.ports import HistoryNeed, Store
from whereupon.records import Person

_TICK = timedelta(microseconds=1)


def _login(**question: JsonValue) -> JsonValue:
    return {"performed": {"event": "login", **question}}


_WHOS: dict[str, JsonValue] = {
    "active": _login(within="2h"),
    "lapsed": _login(within="2h", never=True),
    "twice": {"all": [_login(within="3h", at_least=2), {"not": _login(within="30m")}]},
    "paid-once": {"performed": {"event": "pay", "within": "90m", "exactly": 1}},
    "soon": {"ends_at": {"in_next": "1h"}},
    "over": {"all": [{"ends_at": {"in_last": "2h"}}, {"plan": "pro"}]},
    "either": {"any": [_login(within="1h"), {"all": [{"plan": "pro"}, {"ends_at": {"in_next": "3h"}}]}]},
}  # fmt: skip


def _files() -> Iterable[File]:
    for name, who in _WHOS.items():
        yield segment(name, all=[who])
        for change in ("enters", "leaves"):
            steps: JsonValue = [{"set": {"seen": True}}]
            yield campaign(f"{change}-{name}", {change: name}, max_age="365d", whereupon=steps)


FILES = [*_files()]
SEGMENTS = book_of(*FILES).segments


class Act(NamedTuple):
    """Something that is done, some minutes after what was done before.

    Attributes:
        how: ``run`` lets time pass first; ``stand`` does not, so that what is due is late.
    """

    wait: float
    how: str
    kind: str
    who: int
    value: float


_KINDS = ["login", "login", "pay", "ends", "ends", "no-end", "plan", "anonymous", "claim"]
acts = st.lists(
    st.builds(
        Act,
        st.sampled_from([0, 0, 1, 15, 30, 60, 90, 120, 121, 200]),
        st.sampled_from(["run", "run", "stand"]),
        st.sampled_from([*_KINDS, "alias", "delete", "nothing"]),
        st.integers(0, 2),
        st.sampled_from([-180, -60, -30, -1, 0, 30, 60, 61, 180]),
    ),
    max_size=14,
)

Message: TypeAlias = tuple[str, str | None, File, dict[str, Any]]


def _traits(**traits: JsonValue) -> Callable[[Act, float], Message]:
    return lambda act, now: ("identify", f"user-{act.who}", {"traits": traits}, {"at": now})


def _track(event: str) -> Callable[[Act, float], Message]:
    """An event that may have happened before it arrives."""
    return lambda act, now: (
        "track",
        f"user-{act.who}",
        {"event": event},
        {"at": now + min(act.value, 0), "arrives": now},
    )


def _ends(act: Act, now: float) -> Message:
    return _traits(ends_at=format_instant(after(now + act.value)))(act, now)


def _plan(act: Act, now: float) -> Message:
    return _traits(plan="pro" if act.value >= 0 else "free")(act, now)


def _anonymous(act: Act, now: float) -> Message:
    type_, _, body, extra = _track("login")(act, now)
    return type_, None, body, {**extra, "anonymous": f"phone-{act.who}"}


def _claim(act: Act, now: float) -> Message:
    type_, user, body, extra = _traits()(act, now)
    return type_, user, body, {**extra, "anonymous": f"phone-{act.who}"}


def _alias(act: Act, now: float) -> Message:
    other: File = {"previousId": f"user-{(act.who + 1) % 3}"}
    return "alias", f"user-{act.who}", other, {"at": now}


def _delete(act: Act, now: float) -> Message:
    return "track", f"user-{act.who}", {"event": "Delete Person"}, {"at": now}


MESSAGES: dict[str, Callable[[Act, float], Message]] = {
    "login": _track("login"),
    "pay": _track("pay"),
    "ends": _ends,
    "no-end": _traits(ends_at=None),
    "plan": _plan,
    "anonymous": _anonymous,
    "claim": _claim,
    "alias": _alias,
    "delete": _delete,
}


class Beliefs:
    """What the engine has said: who is in which segments, by the first user id of each person."""

    def __init__(self, made: World) -> None:
        self.made = made
        self.believed: dict[str, set[str]] = defaultdict(set)
        self.read = 0

    def persons(self) -> dict[int, Person]:
        """Everybody, by key."""
        with self.made.home.session() as session:
            return {person.key: person for person in session.persons_after(0, 99)}

    def take(self, before: dict[int, Person]) -> None:
        """Read what a message led to: first what time did before it, then what it did, maybe to two who are one now."""
        new = self._new()
        self._read(decision for decision in new if decision.type is None)
        now = self.persons()
        for key, person in before.items():
            if key not in now:
                lost = self.believed.pop(person.user_id, set())
                if (survivor := self._survivor_of(key)) in now:
                    self.believed[now[survivor].user_id] |= lost
        self._read(decision for decision in new if decision.type is not None)

    def by_time(self) -> list[Decision]:
        """Read what time did; gives the decisions."""
        new = self._new()
        self._read(new)
        return [decision for decision in new if decision.type is None]

    def _survivor_of(self, key: int) -> int:
        with self.made.home.session() as session:
            return session.survivor_of(key) or 0

    def _new(self) -> list[Decision]:
        new, self.read = self.made.decided[self.read :], len(self.made.decided)
        return new

    def _read(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            change, _, name = decision.rule.partition("-")
            has = self.believed[decision.person or ""]
            assert (name in has) is (change == "leaves"), (decision, has)
            (has.discard if change == "leaves" else has.add)(name)

    def check(self, now: datetime) -> None:
        """Compare what was said with what asking anew gives."""
        for person in self.persons().values():
            for name in _WHOS:
                expected = asked_anew(self.made, person, name, now)
                assert (name in self.believed[person.user_id]) is expected, (person, name)


def asked_anew(made: World, person: Person, name: str, at: datetime) -> bool:
    """Whether a person is in a segment, by what the store has."""
    segment = SEGMENTS[name]
    names = frozenset({"login", "pay"})
    with made.home.session() as session:
        past = events_of(session.history([HistoryNeed(person.key, names, FIRST_INSTANT)]))
    data: dict[str, Any] = {"person": person.attributes, "timestamp": format_instant(at)}
    return segment.who.holds(data, HistoryUntil(past, person.key, at))


def play(store: Store, done: list[Act]) -> None:
    """Do all of it, and compare whenever time has passed."""
    made = world(*FILES, store=store)
    beliefs, now = Beliefs(made), 0.0
    for act in [*done, Act(600, "run", "nothing", 0, 0)]:
        now += act.wait
        if act.how == "run":
            made.run(now)
            by_time = beliefs.by_time()
            beliefs.check(after(now))
            for decision in by_time:
                _, _, name = decision.rule.partition("-")
                entered = decision.rule.startswith("enters")
                person = made.person(decision.person or "")
                assert person is not None
                at = decision.timestamp
                assert asked_anew(made, person, name, at) is entered, decision
                assert asked_anew(made, person, name, at - _TICK) is not entered, decision
        if act.kind in MESSAGES:
            type_, user, body, extra = MESSAGES[act.kind](act, now)
            before = beliefs.persons()
            made.send(type_, user, body, cast("Extra", extra))
            beliefs.take(before)


@given(acts)
@examples(40)
def test_what_the_engine_says_of_segments_is_what_asking_anew_gives(done: list[Act]) -> None:
    """Attributes change, messages come late, people merge and are erased, the engine stands still: it is the same."""
    note(f"{[tuple(act) for act in done]}")
    play(world().home, done)


@given(done=acts)
@examples(15)
def test_it_is_so_in_every_store(opener: Opener, done: list[Act]) -> None:
    """What is due is found and moved in a database as it is in memory."""
    note(f"{[tuple(act) for act in done]}")
    with opener() as store:
        play(store, done)


def wired(done: list[Act]) -> list[list[tuple[float, File]]]:
    """The messages of the acts as they are sent, those that arrive at one instant together."""
    groups: list[list[tuple[float, File]]] = []
    now = 0.0
    for number, act in enumerate(done):
        now += act.wait
        if act.kind not in MESSAGES:
            continue
        type_, user, body, extra = MESSAGES[act.kind](act, now)
        wire: File = {"type": type_, "userId": user, "anonymousId": extra.get("anonymous"), **body}
        wire |= {"messageId": f"m-{number}", "timestamp": after(extra["at"]).isoformat()}
        if groups and groups[-1][0][0] == now:
            groups[-1].append((now, wire))
        else:
            groups.append([(now, wire)])
    return groups


def decided_in(groups: list[list[tuple[float, File]]], store: Store, size: int) -> list[str]:
    """What is decided if so many messages that arrive together are a batch; in the order of each person."""
    made = world(*FILES, store=store)
    for group in groups:
        made.clock.move_to(after(group[0][0]))
        for place in range(0, len(group), size):
            taken = made.engine.ingest([wire for _, wire in group[place : place + size]])
            made.decided += taken.decisions
    made.run(10_000)
    told = sorted(made.decided, key=lambda decision: decision.person or "")
    return [
        f"{d.person} {d.rule} {d.reason} {d.message_id} {d.timestamp:%d %H:%M} {d.decided_at:%d %H:%M}"
        for d in told
    ]


@given(acts)
@examples(60)
def test_batches_decide_what_single_messages_decide(done: list[Act]) -> None:
    """However the messages that arrive together are divided into batches, time changes the same."""
    note(f"{[tuple(act) for act in done]}")
    groups = wired(done)
    alone, together = (decided_in(groups, world().home, size) for size in (1, 99))
    assert alone == together
