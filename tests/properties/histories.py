"""Generated histories of a few people on a few devices, and the contents of a store by natural names."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice, pairwise

from hypothesis import strategies as st
from msgspec.structs import asdict
from pydantic import JsonValue
from tests.rule_files import File, book_of, campaign, segment
from tests.worlds import HOUR, World, after, decided, message

from whereupon.decide import BatchResult
from whereupon.decide.decisions import Decision
from whereupon.engine import Engine
from whereupon.messages.model import Message, MessageType, SenderClass
from whereupon.pipeline.load import CLAIM_CHUNK
from whereupon.records import IdKind, Skips
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import MemoryStore
from whereupon.storage.memory.session import MemorySession

PEOPLE = ["ada", "ben", "cy"]
DEVICES = ["anon-1", "anon-2"]
END = 400 * HOUR

RULES = (
    segment("buyers", performed={"event": "purchase", "at_least": 2, "within": "10m"}),
    segment("pros", plan="pro"),
    campaign(
        "thanks",
        "purchase",
        where={"price": {"gt": 2}},
        whereupon=[
            {"wait": "4m"},
            {"set": {"thanked": "{{ properties.price }}"}},
            {"send": "push", "title": "{{ person.user_id }}"},
        ],
    ),
    campaign("first", "purchase", reentry="once", whereupon=[{"track": "thanked"}]),
    campaign("seldom", "pur*", reentry={"once_per": "7m"}, retroactive={"take": "last"}),
    campaign("each", "purchase", reentry={"once_per_key": "properties.price"}, max_age="15m"),
    campaign(
        "cart",
        "view",
        reentry="not_while_active",
        exit=["purchase", {"leaves": "pros"}, {"plan": "gone"}],
        whereupon=[{"wait": "3m"}, {"send": "push", "title": "Cart"}],
    ),
    campaign("welcome", {"enters": "pros"}, reentry="once", who={"plan": "pro"}),
    campaign("loyal", {"enters": "buyers"}, reentry="not_while_active"),
    campaign("chatter", "thanked", whereupon=[{"wait": "1m"}, {"track": "view"}]),
    campaign(
        "again",
        "view",
        reentry={"once_per": "5m"},
        who={"performed": {"event": "purchase", "at_least": 1, "within": "12m"}},
    ),
)
BOOK = book_of(*RULES)

TAKE_ONE_RULES = (
    *RULES,
    campaign("noted", "view", whereupon=[{"set": {"noted": "{{ properties.price }}"}}]),
    campaign(
        "early",
        "view",
        where={"logic": {"!=": [{"var": "person.noted"}, {"var": "properties.price"}]}},
        retroactive={"take": "first"},
        exit="purchase",
        whereupon=[{"track": "purchase"}, {"wait": "2m"}, {"send": "push", "title": "Early"}],
    ),
    campaign("recent", ["view", "purchase"], who={"plan": "pro"}, retroactive={"take": "last"}),
    campaign(
        "graced",
        "purchase",
        who={"plan": "pro", "performed": {"event": "view", "same": ["price"], "at_most": 2}},
        reentry={"once_per_key": "properties.price"},
        grace="6m",
        whereupon=[{"send": "push", "title": "Graced"}],
    ),
    campaign(
        "stays",
        "view",
        who={"any": [{"plan": {"ne": "free"}}, {"noted": 2}]},
        stay=True,
        whereupon=[{"wait": "3m"}, {"send": "push", "title": "Stays"}, {"wait": "3m"}],
    ),
)
"""With more that depends on what a claim has led to on the way."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A message of a history: its kind, when it happened, and how much later it arrives."""

    kind: str
    user: str | None
    anonymous: str | None
    other: str
    number: int
    at: int
    delay: int
    pause: int


ORDINARY = ("purchase", "view", "identify")
LASTING = (*ORDINARY, "purchase", "alias", "alias-anonymous", "device", "group", "report")
EVERYTHING = (*LASTING, "delete", "suppress", "unsuppress")
OF_SOMEBODY = ("alias", "alias-anonymous", "device", "delete", "suppress", "unsuppress")
"""What only somebody known says."""


def happenings(
    kinds: Iterable[str], *, users: Sequence[str | None] = (None, *PEOPLE)
) -> st.SearchStrategy[Happening]:
    """Any message of these kinds, by one of these people or anonymous."""
    return st.builds(
        Happening,
        kind=st.sampled_from(list(kinds)),
        user=st.sampled_from(users),
        anonymous=st.sampled_from([None, *DEVICES]),
        other=st.sampled_from(PEOPLE),
        number=st.integers(1, 4),
        at=st.integers(0, 25),
        delay=st.sampled_from([0, 0, 0, 1, 6, 20]),
        pause=st.sampled_from([0, 0, 1, 2, 5]),
    )


def messages_of(happened: Sequence[Happening]) -> list[Message]:
    """The messages in their order of arrival; no two happened at the same instant."""
    made: list[Message] = []
    now = 0
    for place, each in enumerate(happened):
        now += each.pause
        made.append(_message(place, each, now))
    return made


def _message(place: int, each: Happening, now: int) -> Message:
    user, anonymous = each.user, each.anonymous
    if user is None and anonymous is None:
        anonymous = DEVICES[0]
    if each.kind in OF_SOMEBODY and user is None:
        user = PEOPLE[0]
    type_, name, target, data, context = _body(each)
    made = message(
        f"m-{place}",
        type_=type_,
        name=name,
        user=user,
        anonymous=None if type_ is MessageType.ALIAS else anonymous,
        target=target,
        source=SenderClass.SERVER,
        data=data,
        context=context,
    )
    happened_at = after(now - each.delay) + timedelta(microseconds=place)
    arrived_at = after(now) + timedelta(microseconds=place)
    return made.changed(
        timestamp=happened_at, received_at=arrived_at, original_timestamp=happened_at
    )


_Data = Mapping[str, JsonValue]


def _body(each: Happening) -> tuple[MessageType, str, str | None, _Data, _Data]:
    n = each.number
    plan: JsonValue = ["pro", "free", "gone", "pro"][n - 1]
    match each.kind:
        case "identify":
            return MessageType.IDENTIFY, "", None, {"plan": plan, f"trait-{n}": n}, {}
        case "alias":
            return MessageType.ALIAS, "", each.other, {}, {}
        case "alias-anonymous":
            return MessageType.ALIAS, "", DEVICES[n % 2], {}, {}
        case "group":
            return MessageType.GROUP, "", f"group-{n}", {"size": n}, {}
        case "device":
            return MessageType.TRACK, "Device Created or Updated", None, {}, _device(n)
        case "report":
            data: _Data = {"deliveryId": f"d-{n}", "metric": "opened"}
            return MessageType.TRACK, "Report Delivery Event", None, data, {}
        case "delete" | "suppress" | "unsuppress":
            return MessageType.TRACK, f"{each.kind.title()} Person", None, {}, {}
        case name:
            return MessageType.TRACK, name, None, {"price": n}, {}


def _device(n: int) -> _Data:
    return {"device": {"token": f"token-{n % 2}", "type": "ios"}}


# --- what becomes of them -------------------------------------------------------------------------


@dataclass
class Outcome:
    """Everything that a history led to."""

    decisions: list[tuple[str, str | None, str, str]]
    contents: dict[str, list[str]]


def world_after(
    messages: Sequence[Message],
    cuts: Iterable[int],
    *,
    rules: Sequence[File] = RULES,
    claim_chunk: int = CLAIM_CHUNK,
) -> World:
    """A world after the messages arrived in batches that end at these places.

    Args:
        claim_chunk: how many messages of a claim are evaluated at once, if its message comes alone.
    """
    made = World(list(rules))
    made.engine.pipeline.claim_chunk = claim_chunk
    take_in_batches(made.engine, messages, cuts, made.decided.extend)
    return made


def begin(made: World, message: Message, *, carried_on: int) -> None:
    """Let a message arrive whose sender stops before the claim is carried out.

    Args:
        carried_on: how many chunks of it the sender carries out.
    """
    engine = made.engine
    results: list[BatchResult] = []
    result = engine.claims.transact(
        lambda session: engine.pipeline.take(session, [message], chunked=True), results.append
    )
    results.append(result)
    results += islice(engine.claims.carry_out(result.unfinished), carried_on)
    made.decided += [decision for each in results for decision in each.decisions]


def take_in_batches(
    engine: Engine,
    messages: Sequence[Message],
    cuts: Iterable[int],
    observe: Callable[[list[Decision]], object],
) -> None:
    """Let an engine take the messages in batches, and then do all due work."""
    for start, end in pairwise(sorted({0, *cuts, len(messages)})):
        result = engine.take(list(messages[start:end]))
        observe(list(result.decisions))
    clock = engine.clock
    assert isinstance(clock, FrozenClock)
    for result in engine.wake(after(END)):
        observe(list(result.decisions))
    clock.move_to(after(END))


def outcome_of(made: World) -> Outcome:
    """The final contents of the world, comparable with another's."""
    return Outcome(sorted(decided(made.decided), key=repr), contents_of(made.memory))


def contents_of(store: MemoryStore) -> dict[str, list[str]]:
    """The contents of a store in memory, with keys replaced by what they stand for."""
    schema = store.schema
    names: dict[int, str] = {0: "nobody"}
    names |= {merge.loser_key: f"formerly {merge.loser}" for merge in schema.merges.rows.values()}
    names |= {
        known.key: known.value
        for known in schema.identifiers.rows.values()
        if known.kind is IdKind.ANONYMOUS
    }
    names |= {key: person.user_id for key, person in schema.persons.rows.items()}
    ids = {0: "none"} | {key: stored.message_id for key, stored in schema.messages.rows.items()}

    def named(key: int) -> str:
        return names.get(key, f"unknown {key}")

    def texts(values: Iterable[object]) -> list[str]:
        return sorted(map(repr, values))

    return {
        "messages": texts(
            asdict(m.changed(key=0, owner=0)) | {"owner": named(m.owner)}
            for m in schema.messages.rows.values()
        ),
        "identifiers": texts(
            (k.kind, k.value, named(k.key)) for k in schema.identifiers.rows.values()
        ),
        "persons": texts(
            (p.user_id, p.created_at, sorted(p.attributes.items()), sorted(p.stamps.items()))
            for p in schema.persons.rows.values()
        ),
        "claims": texts(
            (named(c.anonymous_key), named(c.person_key), c.since, c.until, c.message_id)
            for c in schema.claims.rows.values()
        ),
        "entries": texts(
            asdict(e.changed(key=0, person_key=0, entrant=0, message_key=0))
            | {"person": named(e.person_key), "entrant": named(e.entrant)}
            for e in schema.entries.rows.values()
        ),
        "deliveries": texts(
            asdict(d.changed(key=0, person_key=0)) | {"of": named(d.person_key)}
            for d in schema.deliveries.rows.values()
        ),
        "open_skips": texts(
            s._replace(message_key=0, person_key=0)._asdict()
            | {"message": ids.get(s.message_key), "person": named(s.person_key)}
            for s in schema.open_skips.rows.values()
        ),
        "skips": texts(
            (
                ids.get(s.message_key, s.message_key),
                s.decided_at,
                s.retroactive,
                s.verdicts,
                s.summaries,
            )
            for s in MemorySession(schema).scan(Skips)
        ),
        "requests": texts(replace(r, key=0) for r in schema.requests.rows.values()),
        "devices": texts(
            (d.token, named(d.person_key), d.platform, d.updated_at)
            for d in schema.devices.rows.values()
        ),
        "things": texts(schema.objects.rows.values()),
        "relationships": texts(
            (named(tie.person_key), tie.type_id, tie.object_id)
            for tie in schema.relationships.rows.values()
        ),
        "tombstones": texts(schema.tombstones.rows.values()),
        "reports": texts(schema.reports.rows.values()),
        "merges": texts(
            (m.message_id, named(m.survivor_key), m.loser, m.merged_at)
            for m in schema.merges.rows.values()
        ),
        "rule versions": texts(schema.versions.rows),
    }
