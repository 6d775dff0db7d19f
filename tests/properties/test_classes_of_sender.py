"""A browser's message starts no broadcast, through any chain of steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples
from tests.rule_files import File, broadcast, campaign, segment
from tests.stores import Opener
from tests.worlds import DAY, HOUR, World, world

from whereupon.decide.decisions import Reason
from whereupon.messages.model import SenderClass
from whereupon.ports import Store
from whereupon.rules.model import RuleKind

EVENTS = ["e0", "e1", "e2"]
ATTRIBUTES = ["a0", "a1"]
SEGMENTS: list[File] = [
    *(segment(f"has-{name}", **{name: True}) for name in ATTRIBUTES),
    segment("did-e1", performed={"event": "e1", "at_least": 1}),
]
PEOPLE = ["ada", "ben"]

events = st.sampled_from(EVENTS)
attributes = st.sampled_from(ATTRIBUTES)
segments = st.sampled_from([str(each["segment"]) for each in SEGMENTS])
TRIGGERS: st.SearchStrategy[JsonValue] = st.one_of(
    events,
    events,
    events,
    st.just({"page": "Home"}),
    segments.map(lambda name: {"enters": name}),
    segments.map(lambda name: {"leaves": name}),
)
SPEAKING: st.SearchStrategy[JsonValue] = st.one_of(
    events.map(lambda name: {"track": name, "properties": {"said": "{{ properties.said }}"}}),
    st.tuples(attributes, st.booleans()).map(lambda pair: {"set": dict([pair])}),
)
STEPS: st.SearchStrategy[list[JsonValue]] = st.lists(
    st.one_of(SPEAKING, SPEAKING, st.just({"wait": "1h"})), min_size=1, max_size=4
)


@st.composite
def rulebooks(draw: st.DrawFn) -> list[File]:
    """Campaigns whose steps trigger one another, and broadcasts that their events would start."""
    campaigns = [
        campaign(
            f"campaign-{place}",
            draw(TRIGGERS),
            reentry="once",
            whereupon=[*draw(STEPS), {"send": "push", "title": "{{ properties.said }}"}],
        )
        for place in range(draw(st.integers(2, 4)))
    ]
    broadcasts = [
        broadcast(f"broadcast-{place}", draw(TRIGGERS)) for place in range(draw(st.integers(2, 4)))
    ]
    return [*SEGMENTS, *campaigns, *broadcasts]


@st.composite
def browsing(draw: st.DrawFn) -> list[tuple[str, JsonValue, str | None, str | None]]:
    """A browser's calls: type, data, and user id or anonymous id."""
    browsed = []
    for _ in range(draw(st.integers(2, 6))):
        user = draw(st.sampled_from([*PEOPLE, None]))
        device = draw(st.sampled_from(["anon-1", "anon-2", None])) if user else "anon-1"
        kind = draw(st.sampled_from(["track", "page", "identify"]))
        what: JsonValue = (
            draw(events) if kind == "track" else {draw(attributes): draw(st.booleans())}
        )
        browsed.append((kind, what, user, device))
    return browsed


def send_one(made: World, kind: str, what: JsonValue, user: str | None, device: str | None) -> None:
    """Send one message as a browser does."""
    body: File = {"properties": {"said": "buy at evil.example.com"}}
    match kind:
        case "track":
            body["event"] = what
        case "page":
            body["name"] = "Home"
        case _:
            body = {"traits": what}
    aside = {} if device is None else {"anonymous": device}
    made.send(kind, user, body, {"source": "client", **aside})  # type: ignore[typeddict-item]  # as drawn


def started(made: World) -> list[str]:
    """The broadcasts that were started."""
    with made.home.session() as session:
        waiting = [run.rule for run in session.waiting_runs()]
    admitted = [d.rule for d in made.decided if d.rule_kind is RuleKind.BROADCAST and not d.reason]
    return [*waiting, *admitted]


@examples(40)
@given(files=rulebooks(), browsed=browsing())
def test_a_browsers_event_reaches_no_broadcast_by_any_chain_of_steps(
    opener: Opener, files: list[File], browsed: list[tuple[str, JsonValue, str | None, str | None]]
) -> None:
    """Neither at once nor after waits, claims and a restart; its steps' events are a client's, too."""
    with opener() as store:
        made = World(files, store)
        made.identify("ada", {"first_name": "Ada"})
        for place, (kind, what, user, device) in enumerate(browsed):
            send_one(made, kind, what, user, device)
            made.run(place * HOUR)
            assert started(made) == []
            made = World(files, store, made.clock)
        made.run(2 * DAY)
        assert started(made) == []


LAUNDRY: list[File] = [
    segment("loud", loud=True),
    campaign("relay", "Clicked", whereupon=[{"wait": "1h"}, {"set": {"loud": True}}]),
    campaign("again", {"enters": "loud"}, whereupon=[{"wait": "1h"}, {"track": "Shouted"}]),
    broadcast("everybody", "Shouted"),
]


def test_what_steps_say_has_the_class_of_the_message_that_opened_the_entry(home: Store) -> None:
    """A server's event starts the broadcast by the same chain, through waits and a restart."""
    assert laundered(home, "eve", "client", at=0) == [Reason.SOURCE]
    assert laundered(home, "ben", "server", at=5 * HOUR) == []
    sent = World(LAUNDRY, home).deliveries()
    assert sorted(each.person for each in sent if each.rule == "everybody") == ["ben", "eve"]


def laundered(home: Store, user: str, source: str, *, at: float) -> list[Reason]:
    """Why the broadcast at the end of the chain was not sent."""
    made = World(LAUNDRY, home)
    made.track("Clicked", user, source=source, at=at)
    decided = []
    for later in (HOUR, 2 * HOUR):
        made = World(LAUNDRY, home, made.clock)
        made.run(at + later)
        decided += [d.reason for d in made.decided if d.rule == "everybody" and d.reason]
    return decided


def test_a_claimed_message_keeps_the_class_of_who_sent_it() -> None:
    """Although a server's message claims it."""
    made = world(
        campaign("relay", "Clicked", whereupon=[{"track": "Shouted"}]),
        broadcast("everybody", "Shouted"),
    )
    made.track("Clicked", anonymous="anon-1", source="client")
    made.identify("eve", anonymous="anon-1", at=1)
    assert ("eve", "relay", "entered") in made.verdicts
    assert made.verdicts[-1][1:] == ("everybody", "source")
    assert {each.message.source for each in made.messages().values() if each.message.depth} == {
        SenderClass.CLIENT
    }


def test_a_merge_makes_nobodys_entry_a_servers(home: Store) -> None:
    """Not even if a server asks for the merge: the entry goes on with its class."""
    made = World(LAUNDRY, home)
    for user in ("ada", "eve"):
        made.identify(user, at=0)
    made.track("Clicked", "eve", source="client", at=1)
    made.alias("ada", "eve", at=2)
    made.run(3 * HOUR)
    assert [d.reason for d in made.decided if d.rule == "everybody"] == [Reason.SOURCE]
    assert started(made) == []


@pytest.mark.parametrize(
    "when", ["api", "Published", {"cron": "0 13 * * *", "timezone": "UTC"}], ids=str
)
def test_what_a_broadcast_says_is_the_servers(when: JsonValue) -> None:
    """Only a server starts a broadcast: by an event, a call or a schedule."""
    made = world(
        broadcast("first", when, whereupon=[{"wait": "1h"}, {"track": "Shouted"}]),
        broadcast("second", "Shouted", who={"first_name": "Ada"}),
    )
    made.identify("ada", {"first_name": "Ada"}, at=0)
    if when == "api":
        made.engine.trigger("first", key="june")
    if when == "Published":
        made.track("Published", anonymous="office", at=0)
    made.run(3 * HOUR)
    assert {delivery.rule for delivery in made.deliveries()} == {"second"}
