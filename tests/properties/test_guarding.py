"""Mixed histories against an independent oracle: nothing is deleted without every guard's consent."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.rule_files import File, guard
from tests.stores import contents
from tests.worlds import NOON, World, message, world

from whereupon.errors import RequestError, UnknownNameError
from whereupon.messages.model import MessageType, Origin, SenderClass, erased_name, ref_of
from whereupon.records import IdKind, Person, Request, RequestOutcome

PEOPLE = ["person-ada", "person-ben", "person-cy"]
DEVICES = ["device-1", "device-2"]
ALLOWED = ["lena", "omar"]
ACTORS = [*ALLOWED, "eve", *PEOPLE[:1]]
MOST = 2
COOL_OFF = timedelta(minutes=30)
STALE = timedelta(hours=24)
"""For deletions; a merge may be as old as any step here is."""

RULES: tuple[File, ...] = (
    guard(
        "deletions",
        ["Delete Person", "Suppress Person"],
        protect={"staff": True},
        limits=[f"{MOST} per 1h"],
        approvals={"needed": 0, "by": list(ALLOWED)},
        stale_after="24h",
    ),
    guard("suppressions", ["Suppress Person"], cool_off="30m", sources={"client": "refuse"}),
    guard("merges", ["Merge People"], approvals={"needed": 1, "by": list(ALLOWED)}),
)
ERASING = ("Delete Person", "Suppress Person")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a history: a message, a decision, or time that passes."""

    kind: str
    user: str | None
    device: str | None
    other: str
    actor: str
    source: SenderClass
    origin: Origin
    number: int
    delay: timedelta


SPAN = st.sampled_from([0, 0, 0, 1, 20, 26 * 60]).map(lambda minutes: timedelta(minutes=minutes))
STEPS = st.builds(
    Step,
    kind=st.sampled_from(
        [
            "identify",
            "purchase",
            "delete",
            "delete",
            "delete",
            "suppress",
            "unsuppress",
            "alias",
            "approve",
            "approve",
            "cancel",
            "close",
            "pass",
            "again",
        ]
    ),
    user=st.sampled_from([None, *PEOPLE]),
    device=st.sampled_from([None, *DEVICES]),
    other=st.sampled_from(PEOPLE),
    actor=st.sampled_from(ACTORS),
    source=st.sampled_from(SenderClass),
    origin=st.sampled_from([*[Origin.LIVE] * 4, Origin.IMPORT]),
    number=st.integers(0, 5),
    delay=SPAN,
)


def _erased(name: str, asked: Request) -> str:
    """The name of a message's request, once its person is erased."""
    return erased_name(ref_of(name, asked.source))


@dataclass
class Oracle:
    """What the history allows, kept apart from the engine."""

    made: World = field(default_factory=lambda: world(*RULES))
    asked: dict[int, Request] = field(default_factory=dict)
    live: dict[str, bool] = field(default_factory=dict)
    agreed: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    ran: list[datetime] = field(default_factory=list)
    closed_at: datetime = NOON
    gone: set[str] = field(default_factory=set)
    sent: list[tuple[str, Step]] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)

    @property
    def now(self) -> datetime:
        """The world's time."""
        return self.made.clock.now()

    def people(self) -> dict[int, Person]:
        """All known people, by key."""
        return dict(self.made.memory.schema.persons.rows)

    def keys(self) -> dict[str, int]:
        """The key behind every user id."""
        known = self.made.memory.schema.identifiers.rows.values()
        return {each.value: each.key for each in known if each.kind is IdKind.USER}

    def outcomes(self) -> dict[int, Request]:
        """Every stored request."""
        return dict(self.made.memory.schema.requests.rows)

    # --- what happens -----------------------------------------------------------------------------

    def take(self, step: Step, place: int) -> None:
        """Take a step, and check that nothing was deleted that may not be."""
        people, keys, before = self.people(), self.keys(), self.outcomes()
        with suppress(RequestError, UnknownNameError):
            self._do(step, place)
        after = self.outcomes()
        for key in after.keys() - before.keys():
            self.asked[key] = after[key]
        ended = [
            after[key]
            for key in after
            if after[key].outcome is RequestOutcome.RAN
            and (key not in before or before[key].outcome is not RequestOutcome.RAN)
        ]
        explained: set[int] = set()
        for request in sorted(ended, key=lambda each: (each.decided_at, each.key)):
            explained |= self._check(request, people, keys)
        vanished = people.keys() - self.people().keys()
        assert vanished <= explained, "somebody went whom no request explains"

    def _do(self, step: Step, place: int) -> None:
        engine = self.made.engine
        waiting = sorted(engine.requests.list(RequestOutcome.HELD), key=lambda each: each.key)
        chosen = waiting[step.number % len(waiting)] if waiting else None
        match step.kind:
            case "pass":
                self.made.clock.move_to(self.now + timedelta(minutes=7 * (1 + step.number)))
                engine.run_due()
            case "close":
                engine.requests.close("deletions", by=step.actor)
                self.closed_at = self.now
                engine.run_due()
            case "approve" if chosen:
                self._approve(chosen, step.actor)
            case "cancel" if chosen:
                engine.requests.cancel(chosen.key, by=step.actor)
                self.cancelled.add(chosen.key)
            case "again" if self.sent:
                message_id, first = self.sent[step.number % len(self.sent)]
                self._send(first, message_id)
            case "approve" | "cancel" | "again":
                pass
            case _:
                self.sent.append((f"message-{place}", step))
                self._send(step, f"message-{place}")

    def _approve(self, request: Request, actor: str) -> None:
        shown = self.made.engine.requests.show(request.key)
        digest = shown.plan.digest if shown.plan else ""
        given = self.agreed.setdefault(request.key, [])
        given.append((actor, digest))
        try:
            self.made.engine.requests.approve(request.key, by=actor)
        except RequestError:
            given.remove((actor, digest))
            raise

    def _send(self, step: Step, message_id: str) -> None:
        user, device = step.user, step.device
        if user is None and device is None:
            device = DEVICES[0]
        if step.kind == "alias":
            user, device = user or PEOPLE[0], None
        type_ = {"identify": MessageType.IDENTIFY, "alias": MessageType.ALIAS}.get(
            step.kind, MessageType.TRACK
        )
        erasing = step.kind in {"delete", "suppress", "unsuppress"}
        made = message(
            message_id,
            type_=type_,
            name=f"{step.kind.title()} Person"
            if erasing
            else "purchase" * (type_ is MessageType.TRACK),
            user=user,
            anonymous=device,
            target=step.other if type_ is MessageType.ALIAS else None,
            source=step.source,
            origin=step.origin,
            data={"staff": step.number == 0} if type_ is MessageType.IDENTIFY else {},
        )
        happened = self.now - step.delay
        fresh = step.delay <= STALE or type_ is MessageType.ALIAS
        self.live.setdefault(message_id, step.origin is Origin.LIVE and fresh)
        if user is not None and not erasing:
            self.gone.discard(user)
        if type_ is MessageType.ALIAS:
            self.gone.discard(step.other)
            if step.other not in self.keys():  # it counts as an anonymous id, and is the claimant's
                self.devices.add(step.other)
        self.made.engine.take([made.changed(timestamp=happened, received_at=self.now)])

    # --- what may ---------------------------------------------------------------------------------

    def _check(self, request: Request, people: dict[int, Person], keys: dict[str, int]) -> set[int]:
        """Check every guard again, by other means; return the keys of the people whom the request deletes."""
        asked = self.asked[request.key]
        if request.action not in (*ERASING, "Merge People"):
            return set()
        person = self._person_of(asked, request)
        assert person is not None, "nobody anonymous has anybody deleted"
        assert self.live[self._message_of(asked)], "neither an import nor something stale"
        assert request.key not in self.cancelled
        self._check_consent(asked, request)
        if request.action == "Merge People":
            return set(people) - self.people().keys()
        key = keys.get(person)
        if key is not None and key in people:
            assert people[key].attributes.get("staff") is not True, "protected people stay"
        self._check_radius(request.decided_at)
        self.gone |= {user for user, owner in keys.items() if owner == key} | {person}
        return {key} if key is not None else set()

    def _check_consent(self, asked: Request, request: Request) -> None:
        needed = asked.source is SenderClass.CLIENT or request.action == "Merge People"
        digest = request.plan.digest if request.plan else ""
        agreed = {actor for actor, plan in self.agreed.get(request.key, ()) if plan == digest}
        if needed:
            assert agreed & set(ALLOWED), "somebody who may has agreed to just this"
        if request.action == "Suppress Person":
            assert asked.source is SenderClass.SERVER
            assert request.decided_at >= asked.decided_at + COOL_OFF

    def _check_radius(self, moment: datetime) -> None:
        self.ran.append(moment)
        since = max(moment - timedelta(hours=1), self.closed_at)
        window = [at for at in self.ran if since < at <= moment]
        assert len(window) <= MOST, "no more than the limit in any window"

    def _person_of(self, asked: Request, request: Request) -> str | None:
        return asked.person or request.person or self._named_in(asked)

    def _named_in(self, asked: Request) -> str | None:
        """The person of a request that ran at once: its stored record names nobody."""
        found = (step.user for name, step in self.sent if _erased(name, asked) == asked.message_id)
        return next(found, None)

    def _message_of(self, asked: Request) -> str:
        names = (name for name, _ in self.sent if asked.message_id in {name, _erased(name, asked)})
        return next(names)

    def check_traces(self) -> None:
        """Check that nothing is left of deleted people without later messages."""
        assert self.made.engine.audit.verify() == []
        asked = self.made.memory.schema.requests
        for key in [key for key, each in asked.rows.items() if each.outcome.is_open]:
            del asked.rows[key]  # these name whom they are about, until they end
        held = repr(contents(self.made.memory))
        for user in self.gone - self.devices:
            assert repr(user) not in held, f"{user} is gone, and is named still"


@examples(150)
@given(st.lists(STEPS, min_size=5, max_size=30))
def test_nothing_is_lost_without_every_guards_consent(history: list[Step]) -> None:
    """An erased person leaves no trace; the audit log has no flaw."""
    oracle = Oracle()
    for place, step in enumerate(history):
        oracle.take(step, place)
    oracle.check_traces()
