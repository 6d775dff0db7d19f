"""Generated histories for the model of identity: several people, devices and clocks, as messages.

The campaigns and messages are the model's; here they become rule files and lines of a stream.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st
from pydantic import JsonValue
from tests.properties.identity_model import DAY, MINUTE, Campaign, Line, Plain, happened
from tests.rule_files import File, book_of, campaign
from tests.worlds import NOON

from whereupon.messages.arrival import Arrival
from whereupon.messages.codec import encode
from whereupon.messages.model import Message, SenderClass
from whereupon.messages.times import as_micros, format_instant
from whereupon.messages.wire import parse_message

PEOPLE = ["ada", "ben", "cy"]
DEVICES = ["anon-1", "anon-2"]

_BUY, _VIEW, _PRICING = ("track", "purchase"), ("track", "view"), ("page", "Pricing")
CAMPAIGNS = (
    Campaign("each", (_BUY,)),
    Campaign("dear", (_BUY,), price_over=2, plan="pro"),
    Campaign("once", (_BUY, _VIEW), reentry="once"),
    Campaign("seldom", (_BUY, _VIEW), reentry="once_per", period=7 * MINUTE, take="last"),
    Campaign("priced", (_BUY,), reentry="once_per_key", max_age=15 * MINUTE),
    Campaign("cart", (_VIEW,), reentry="not_while_active", wait=3 * MINUTE),
    Campaign("first", (_BUY,), take="first", within=10 * MINUTE),
    Campaign("last", (_VIEW,), price_over=1, take="last", max_age=40 * DAY),
    Campaign("present", (_VIEW,), take="none"),
    Campaign("priced-page", (_PRICING,), reentry="once_per", period=20 * MINUTE),
)
EPOCH_AT_NOON = as_micros(NOON)


def _duration(micros: int) -> str:
    return f"{micros // 1_000_000}s"


def file_of(rule: Campaign) -> File:
    """A rule file of the model's rule."""
    when: JsonValue = [name for type_, name in rule.when if type_ == "track"]
    if rule.when[0][0] == "page":
        when = {"page": rule.when[0][1]}
    reentry: JsonValue = rule.reentry
    if rule.reentry == "once_per":
        reentry = {"once_per": _duration(rule.period)}
    elif rule.reentry == "once_per_key":
        reentry = {"once_per_key": "properties.price"}
    retroactive: JsonValue = {"take": rule.take}
    if rule.take == "none":
        retroactive = False
    elif rule.within is not None:
        retroactive = {"take": rule.take, "within": _duration(rule.within)}
    steps: list[JsonValue] = [{"send": "push", "title": "Hello"}]
    narrowed: File = {}
    if rule.price_over is not None:
        narrowed["where"] = {"price": {"gt": rule.price_over}}
    if rule.plan is not None:
        narrowed["who"] = {"plan": rule.plan}
    return campaign(
        rule.name,
        when,
        **narrowed,
        reentry=reentry,
        max_age=_duration(rule.max_age),
        retroactive=retroactive,
        whereupon=[{"wait": _duration(rule.wait)}, *steps] if rule.wait else steps,
    )


BOOK = book_of(*map(file_of, CAMPAIGNS))


# --- histories ------------------------------------------------------------------------------------

ORDINARY = ("purchase", "purchase", "view", "view", "Pricing", "identify", "identify", "group")
CLAIMING = (*ORDINARY, "alias-device")
EVERYTHING = (*CLAIMING, "alias", "Delete Person", "Suppress Person", "Unsuppress Person")
_DELAYS = [0, 0, 0, 0, 1, 4, 6, 20, 24 * 60, 3 * 24 * 60, 4 * 24 * 60, 30 * 24 * 60]
_PAUSES = [0, 0, 0, 1, 2, 5, 20, 24 * 60, 29 * 24 * 60, 31 * 24 * 60]
_SKEWS = [0, 0, 0, -90, 3, 24 * 60]


@dataclass(frozen=True, slots=True)
class Happening:
    """A message of a history: its kind, and how far its clocks are off, in minutes."""

    kind: str
    user: str | None
    device: str | None
    other: str
    number: int
    delay: int
    pause: int
    skew: int
    sent: bool
    repeats: int | None


def anything(kinds: Sequence[str]) -> st.SearchStrategy[Happening]:
    """Any message of these kinds, sometimes a repeated one."""
    return st.builds(
        Happening,
        kind=st.sampled_from(kinds),
        user=st.sampled_from([None, None, *PEOPLE]),
        device=st.sampled_from([None, *DEVICES]),
        other=st.sampled_from(PEOPLE),
        number=st.integers(1, 4),
        delay=st.sampled_from(_DELAYS),
        pause=st.sampled_from(_PAUSES),
        skew=st.sampled_from(_SKEWS),
        sent=st.booleans(),
        repeats=st.none() | st.none() | st.none() | st.integers(0, 20),
    )


def lines_of(happenings: Sequence[Happening]) -> list[Line]:
    """The messages in their order of arrival; their ids do not follow that order."""
    made: list[Line] = []
    now = EPOCH_AT_NOON
    for place, each in enumerate(happenings):
        now += each.pause * MINUTE
        if each.repeats is not None and made:
            made.append(made[each.repeats % len(made)]._replace(arrives=now))
        else:
            made.append(_line(f"m-{place * 7 % 23:02}", each, now))
    return made


def _line(message_id: str, each: Happening, now: int) -> Line:
    user, device = each.user, each.device
    if user is None and device is None:
        device = DEVICES[0]
    if each.kind.startswith("alias") or each.kind.endswith("Person"):
        user = user or PEOPLE[0]
    type_, name = {
        "Pricing": ("page", "Pricing"),
        "identify": ("identify", ""),
        "group": ("group", ""),
        "alias": ("alias", ""),
        "alias-device": ("alias", ""),
    }.get(each.kind, ("track", each.kind))
    previous = {"alias": each.other, "alias-device": DEVICES[each.number % 2]}.get(each.kind)
    plan: Plain = ["pro", "free", None, ""][each.number - 1]
    data: dict[str, Plain] = {}
    if type_ == "identify":
        word: Plain = [True, None, False, ""][each.number - 1]
        address: dict[str, str | int] = {
            f"line-{each.number}": each.number,
            "place": user or "nowhere",
        }
        data = {"plan": plan, f"trait-{each.number}": each.number}
        data |= {"unsubscribed": word, "address": address}
    if type_ == "track":
        data = {"price": each.number}
    original = now + (each.skew - each.delay) * MINUTE
    sent = now + each.skew * MINUTE if each.sent else None
    return Line(message_id, type_, name, user, device, previous, data, original, sent, now)


def arriving_together(history: Sequence[Line]) -> list[Line]:
    """The same messages, each once and with its own time, all arriving at the end."""
    once = {line.id: line for line in reversed(history)}
    last = max(line.arrives for line in history)
    return [s._replace(original=happened(s), sent=None, arrives=last) for s in once.values()]


def wire_of(line: Line) -> dict[str, JsonValue]:
    """The message as a line of a stream."""
    named = {"track": "event", "page": "name"}.get(line.type)
    targets: dict[str, JsonValue] = {"alias": line.previous, "group": "acme"}
    wire: dict[str, JsonValue] = {
        "type": line.type,
        "messageId": line.id,
        "userId": line.user,
        "anonymousId": line.device,
        "properties" if named else "traits": {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in line.data.items()
        },
        "timestamp" if line.sent is None else "originalTimestamp": _instant(line.original),
        "sentAt": None if line.sent is None else _instant(line.sent),
        "receivedAt": _instant(line.arrives),
    }
    if named:
        wire[named] = line.name
    if line.type in targets:
        wire["previousId" if line.type == "alias" else "groupId"] = targets[line.type]
    return {key: value for key, value in wire.items() if value is not None}


def _instant(micros: int) -> str:
    return format_instant(NOON + timedelta(microseconds=micros - EPOCH_AT_NOON))


def _no_id() -> str:
    raise NotImplementedError


def messages_of(history: Sequence[Line]) -> list[Message]:
    """The messages, parsed from their wire form."""
    read: list[Message] = []
    for line in history:
        arrived = read[-1].received_at if read else NOON
        arrival = Arrival(arrived, SenderClass.SERVER, _no_id, by_message=True)
        read.append(parse_message(encode(wire_of(line)), arrival))
    return read
