"""One rule test, run: every message goes through a real engine with a frozen clock and a store in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from whereupon.engine import Engine
from whereupon.errors import MessageRejectedError, RequestError, UnknownNameError
from whereupon.messages.arrival import Arrival
from whereupon.messages.model import Message
from whereupon.messages.times import ZERO, earlier, format_instant, later
from whereupon.messages.wire import parse_message
from whereupon.records import (
    Entry,
    Identifier,
    IdKind,
    Person,
    Request,
    RequestOutcome,
    StoredMessage,
)
from whereupon.replay.records import Record
from whereupon.replay.stream_replay import Replay
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.testing.cases import (
    BroadcastCall,
    GivenMessage,
    OperatorAct,
    OperatorVerb,
    RuleTest,
    offset,
)

YEAR = timedelta(days=366)
"""How long after what a test gives time alone lets people in, if the test does not say when it ends."""

_Arriving: TypeAlias = Message | OperatorAct | BroadcastCall


@dataclass(frozen=True, slots=True)
class Happened:
    """All that happened in one test.

    Attributes:
        records: what the engine decided and did, in order.
        entries: every entry as it is at the end.
        messages: all that was recorded, also what steps sent into the engine.
        persons: everyone who is known at the end, by their key.
        user_ids: every user id, by the key of its person.
    """

    records: Sequence[Record]
    entries: Sequence[Entry]
    messages: Sequence[StoredMessage]
    persons: dict[int, Person]
    user_ids: dict[int, list[str]]


class SimulationError(Exception):
    """What is given did not go as the test says: a message was rejected, or an act was refused or was not.

    Attributes:
        sentences: one for each message or act.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("; ".join(sentences))


def simulate(test: RuleTest, book: Rulebook) -> Happened:
    """Run what a test gives through an engine with these rules.

    Raises:
        SimulationError: a message was rejected, or an act did not go as the test says.
    """
    arrivals = _arrivals(test)
    records: list[Record] = []
    refusals: list[str] = []
    clock = FrozenClock(test.start)
    with Engine.open("memory://", rules=book, clock=clock) as engine:
        replay = Replay(engine, clock, records.append, functions=test.functions)
        for arrival in arrivals:
            _feed(replay, arrival, test, refusals)
        by_time = YEAR if engine.pipeline.index.timed.of_everybody else ZERO
        until = None if test.until is None else later(test.start, test.until)
        replay.finish(until, opens_for=by_time)
        if refusals:
            raise SimulationError(refusals)
        return _happened(engine, records)


def _feed(replay: Replay, arrival: _Arriving, test: RuleTest, refusals: list[str]) -> None:
    match arrival:
        case Message():
            replay.feed([arrival])
        case BroadcastCall():
            replay.perform(later(test.start, arrival.at), partial(_call_up, arrival, refusals))
        case OperatorAct():
            replay.perform(later(test.start, arrival.at), partial(_act, arrival, refusals))


def _happened(engine: Engine, records: Sequence[Record]) -> Happened:
    with engine.store.session() as session:
        messages = list(session.scan(StoredMessage))
        user_ids: dict[int, list[str]] = {}
        for identifier in session.scan(Identifier):
            if identifier.kind is IdKind.USER:
                user_ids.setdefault(identifier.key, []).append(identifier.value)
        persons = {person.key: person for person in session.scan(Person)}
        entries = list(session.scan(Entry))
    return Happened(records, entries, messages, persons, user_ids)


# --- messages -------------------------------------------------------------------------------------


def _arrivals(test: RuleTest) -> list[_Arriving]:
    """What arrives in a test, in order."""
    arrivals: list[_Arriving] = []
    rejections: list[str] = []
    for given in test.given:
        if not isinstance(given, GivenMessage):
            arrivals.append(given)
            continue
        try:
            arrivals.append(_message(test, given))
        except MessageRejectedError as error:
            where = f"message {given.place} ({given.subject} at {offset(given.at)})"
            rejections.append(f"{where} was rejected: {error.code}: {error.reason}")
    if rejections:
        raise SimulationError(rejections)
    return arrivals


def _message(test: RuleTest, given: GivenMessage) -> Message:
    received_at = later(test.start, given.at)
    happened_at = earlier(received_at, given.happened)
    raw = {**given.wire, "timestamp": format_instant(happened_at)}
    return parse_message(raw, Arrival(received_at, given.source, lambda: given.message_id))


# --- acts -----------------------------------------------------------------------------------------


def _call_up(call: BroadcastCall, refusals: list[str], engine: Engine) -> list[Record]:
    """Trigger a broadcast as the host does. Its deliveries are due work."""
    try:
        engine.trigger(call.broadcast, key=call.key, properties=call.properties)
    except UnknownNameError as error:
        refusals.append(f"trigger at {offset(call.at)}: {error}")
    return []


def _act(act: OperatorAct, refusals: list[str], engine: Engine) -> list[Record]:
    """Do what the operator does, and return the requests that it changed."""
    code, changed = None, list[Request]()
    try:
        changed = _done(act, engine)
    except RequestError as error:
        code = error.code
    except UnknownNameError:
        code = "not-held"
    if code != act.refused:
        expected = f"refused as {act.refused}" if act.refused else "allowed"
        happened = f"refused as {code}" if code else "allowed"
        when = offset(act.at)
        refusals.append(f"{act.subject} at {when}: expected to be {expected}, but was {happened}")
    return [*changed]


def _done(act: OperatorAct, engine: Engine) -> list[Request]:
    requests = engine.requests
    if act.verb is OperatorVerb.CLOSE:
        requests.close(act.what, by=act.by)
        return []
    for request in requests.list(RequestOutcome.HELD):
        if request.action == act.what and act.person in {None, request.person}:
            if act.verb is OperatorVerb.APPROVE:
                return [requests.approve(request.key, by=act.by)]
            return [requests.cancel(request.key, by=act.by)]
    raise UnknownNameError(kind="held request", name=act.what)
