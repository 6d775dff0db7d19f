"""A model of identity, and of what rules make of it, with plain lists and quadratic loops.

A second account of whose every message is and of what it leads to. It knows nothing of the engine,
and is meant to be read: where the order of arrival matters, it says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal, NamedTuple, TypeAlias

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
RETENTION = 30 * DAY
LATE_WINDOW = 5 * MINUTE
STALE_AFTER = 3 * DAY

Plain: TypeAlias = str | int | Mapping[str, str | int] | None
Name: TypeAlias = tuple[Literal["user", "device"], str]


class Line(NamedTuple):
    """A message as it is sent. Times are in microseconds.

    Attributes:
        original, sent: when it happened and when it was sent, by the sender's own clock.
        arrives: by ours.
    """

    id: str
    type: str
    name: str
    user: str | None
    device: str | None
    previous: str | None
    data: Mapping[str, Plain]
    original: int
    sent: int | None
    arrives: int


@dataclass(frozen=True)
class Campaign:
    """A rule of the model; durations are in microseconds."""

    name: str
    when: tuple[tuple[str, str], ...]
    price_over: int | None = None
    plan: str | None = None
    reentry: Literal["every_time", "once", "once_per", "once_per_key", "not_while_active"] = (
        "every_time"
    )
    period: int = 0
    max_age: int = 3 * DAY
    take: Literal["all", "first", "last", "none"] = "all"
    within: int | None = None
    wait: int = 0


@dataclass(eq=False)
class Person:
    """A person, compared by the identity of the object."""

    first_id: str
    ids: set[str]
    traits: dict[str, tuple[Plain, int]] = field(default_factory=dict)


class ClaimRun(NamedTuple):
    """One moment at which a message carried both ids."""

    device: str
    at: int
    id: str
    person: Person


@dataclass(eq=False)
class Recorded:
    """A recorded message, in the order of arrival; it waits while it has no owner."""

    line: Line
    at: int
    place: int
    owner: Person | None = None


def _is_newer_word(name: str, at: int, than: int) -> bool:
    """Whether the person's later consent attribute was set at that time."""
    return name == "unsubscribed" and at > than


class Claimed(NamedTuple):
    """A message that a claim gives to a person; ``again`` if it was another's before."""

    record: Recorded
    claim: ClaimRun
    again: bool


class Entry(NamedTuple):
    """An entry of a person, and when it ends."""

    campaign: str
    person: Person
    message: str
    at: int
    key: Plain
    ends: int
    retroactive: bool


class Decided(NamedTuple):
    """A verdict: the reason, or ``entered``."""

    message: str
    person: str | None
    campaign: str
    outcome: str
    retroactive: bool


class Tombstone(NamedTuple):
    """A suppressed name: up to an instant, or for ever (infinity). ``of`` is the person of the deletion."""

    name: Name
    of: str
    until: float
    reason: str


def happened(line: Line) -> int:
    """The sender's time, corrected by the time of arrival, and never in the future."""
    at = line.original if line.sent is None else line.arrives - (line.sent - line.original)
    return min(at, line.arrives)


class Model:
    """Takes messages in their order of arrival.

    Attributes:
        erased: the ids of messages that were deleted with their owner.
    """

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        self.campaigns = campaigns
        self.decided: list[Decided] = []
        self.entries: list[Entry] = []
        self.people: list[Person] = []
        self.records: list[Recorded] = []
        self.erased: set[str] = set()
        self._seen: set[str] = set()
        self._claims: list[ClaimRun] = []
        self._devices: set[str] = set()
        self._tombstones: list[Tombstone] = []

    # --- what is asked of it ----------------------------------------------------------------------

    def owners(self) -> dict[str, str | None]:
        """The owner of every stored message that has one or may get one."""
        return {r.line.id: r.owner.first_id if r.owner else None for r in self.records}

    def runs(self) -> list[tuple[str, str, int, int, str]]:
        """Consecutive claims of one device by one person, without an instant out of reach in between."""
        runs: list[tuple[str, str, int, int, str]] = []
        for device in sorted(self._devices):
            last: ClaimRun | None = None
            for claim in self._claims_of(device):
                goes_on = (
                    last is not None
                    and last.person is claim.person
                    and claim.at - last.at <= RETENTION + LATE_WINDOW
                )
                if goes_on:
                    runs[-1] = (*runs[-1][:3], claim.at, runs[-1][4])
                else:
                    runs.append((device, claim.person.first_id, claim.at, claim.at, claim.id))
                last = claim
        return runs

    # --- one message ------------------------------------------------------------------------------

    def take(self, line: Line) -> None:
        """Let a message arrive; a repeated id does nothing."""
        if line.id in self._seen:
            return
        self._seen.add(line.id)
        act = line.name.removesuffix(" Person")
        if line.type == "track" and act in {"Delete", "Suppress", "Unsuppress"}:
            self._act(line, act)
        elif (tombstone := self._tombstone_for(line)) is not None:
            for campaign in self._rule_lists(line):
                self._decide(line.id, None, campaign, tombstone.reason, retroactive=False)
        elif line.user is None:
            self._take_anonymous(line, line.device or "")
        else:
            self._take_known(line, line.user)

    def _take_anonymous(self, line: Line, device: str) -> None:
        self._record(line)
        self._devices.add(device)
        self._evaluate(self._newly_claimed(), None, line.arrives)

    def _take_known(self, line: Line, user: str) -> None:
        person = self._person(user)
        record = self._record(line)
        record.owner = person
        if line.type == "identify":
            _set_traits(person, line.data, record.at)
        if line.device is not None:
            self._claim(ClaimRun(line.device, record.at, line.id, person))
        if line.type == "alias":
            self._alias(line, record.at, person, line.previous or "")
        self._evaluate(self._newly_claimed(), record, line.arrives)

    def _record(self, line: Line) -> Recorded:
        record = Recorded(line, happened(line), len(self._seen))
        self.records.append(record)
        return record

    def _person(self, user: str) -> Person:
        for person in self.people:
            if user in person.ids:
                return person
        self.people.append(Person(user, {user}))
        return self.people[-1]

    # --- claims -----------------------------------------------------------------------------------

    def _claim(self, claim: ClaimRun) -> None:
        """If two people claim a device in one microsecond, the smaller message id wins."""
        self._devices.add(claim.device)
        here = [c for c in self._claims if (c.device, c.at) == (claim.device, claim.at)]
        rivals = [c for c in here if c.person is not claim.person]
        if rivals and min(c.id for c in here) < claim.id:
            return
        self._claims = [c for c in self._claims if c not in rivals]
        self._claims.append(claim)

    def _claims_of(self, device: str) -> list[ClaimRun]:
        return sorted((c for c in self._claims if c.device == device), key=lambda c: (c.at, c.id))

    def _claim_over(self, device: str, at: int) -> ClaimRun | None:
        """The first claim after the instant, or within the late window before it, unless it came too late."""
        for claim in self._claims_of(device):
            if claim.at >= at - LATE_WINDOW:
                return claim if claim.at <= at + RETENTION else None
        return None

    def _newly_claimed(self) -> list[Claimed]:
        """The anonymous messages whose owner differs from the one that the claims give."""
        brought = []
        for record in self.records:
            if record.line.user is None:
                claim = self._claim_over(record.line.device or "", record.at)
                if claim is not None and claim.person is not record.owner:
                    brought.append(Claimed(record, claim, again=record.owner is not None))
        return sorted(brought, key=lambda each: (each.record.at, each.record.place))

    # --- alias ------------------------------------------------------------------------------------

    def _alias(self, line: Line, at: int, survivor: Person, previous: str) -> None:
        """Merge if the id is a known person's when the alias arrives; otherwise claim it as a device."""
        loser = next((p for p in self.people if previous in p.ids), None)
        gone = any(g.name == ("device", previous) and at <= g.until for g in self._tombstones)
        if loser is None and gone:
            return  # it was a device of somebody's who was erased, and nobody names it again
        if loser is not None and loser is not survivor and line.arrives - at <= STALE_AFTER:
            self._merge(survivor, loser)
        if loser is None or previous in self._devices:
            self._claim(ClaimRun(previous, at, line.id, survivor))

    def _merge(self, survivor: Person, loser: Person) -> None:
        self.people.remove(loser)
        survivor.ids |= loser.ids
        for name, (value, at) in loser.traits.items():
            mine, my_at = survivor.traits.get(name, (None, 0))
            if value not in (None, "") and (mine in (None, "") or _is_newer_word(name, at, my_at)):
                survivor.traits[name] = (value, at)
            elif isinstance(mine, dict) and isinstance(value, dict):
                survivor.traits[name] = ({**value, **mine}, my_at)
        for record in self.records:
            if record.owner is loser:
                record.owner = survivor
        self._claims = [
            c._replace(person=survivor) if c.person is loser else c for c in self._claims
        ]
        self.entries = [
            e._replace(person=survivor) if e.person is loser else e for e in self.entries
        ]

    # --- deleting and suppressing -----------------------------------------------------------------

    def _act(self, line: Line, act: str) -> None:
        at = happened(line)
        if line.user is None or line.arrives - at > STALE_AFTER:
            return  # refused
        if act == "Unsuppress":
            self._unsuppress(line.user, line.device, at)
            return
        latest = self._latest_of(line.user)
        if latest > at + LATE_WINDOW:
            return  # held: it would erase what the person did long after asking
        until, reason = (max(at, latest), "deleted") if act == "Delete" else (inf, "suppressed")
        for name in self._forget(line.user):
            self._add_tombstone(Tombstone(name, line.user, until, reason))

    def _latest_of(self, user: str) -> float:
        person = next((p for p in self.people if user in p.ids), None)
        times = [happened(r.line) for r in self.records if person and r.owner is person]
        return max(times, default=-inf)

    def _forget(self, user: str) -> set[Name]:
        """Erase the person with the devices that nobody else claimed, and suppress all their names."""
        names: set[Name] = {("user", user)}
        person = next((p for p in self.people if user in p.ids), None)
        if person is None:
            return names
        claimed = {c.device for c in self._claims if c.person is person}
        self.people.remove(person)
        self._claims = [c for c in self._claims if c.person is not person]
        only_theirs = claimed - {c.device for c in self._claims}
        self._devices -= only_theirs
        self.entries = [e for e in self.entries if e.person is not person]
        left = [
            r
            for r in self.records
            if r.owner is not person and not (r.line.user is None and r.line.device in only_theirs)
        ]
        self.erased |= {r.line.id for r in self.records} - {r.line.id for r in left}
        self.records = left
        names |= {("user", each) for each in person.ids}
        return names | {("device", each) for each in claimed}

    def _add_tombstone(self, tombstone: Tombstone) -> None:
        """An existing tombstone is never shortened."""
        same = [g for g in self._tombstones if (g.name, g.of) == (tombstone.name, tombstone.of)]
        if all(g.until < tombstone.until for g in same):
            self._tombstones = [g for g in self._tombstones if g not in same] + [tombstone]

    def _unsuppress(self, user: str, device: str | None, heard_from: int) -> None:
        """All names of the tombstone's person are accepted again from now on; nothing is restored."""
        together = {g.of for g in self._tombstones if g.name == ("user", user)}
        self._tombstones = [
            g._replace(until=heard_from)
            if g.until == inf and (g.of in together or g.name == ("device", device))
            else g
            for g in self._tombstones
        ]

    def _tombstone_for(self, line: Line) -> Tombstone | None:
        """A user id stands for its person, an alias for two; a device's messages have only the device."""
        names: list[Name] = [("user", line.user)] if line.user else [("device", line.device or "")]
        if line.type == "alias":
            names.append(("user", line.previous or ""))
        over = [g for g in self._tombstones if g.name in names and happened(line) <= g.until]
        return max(over, key=lambda g: (g.until, g.reason), default=None)

    # --- rules ------------------------------------------------------------------------------------

    def _evaluate(self, brought: list[Claimed], own: Recorded | None, now: int) -> None:
        """Evaluate messages in the order in which they happened; claimed ones come first."""
        for each in brought:
            each.record.owner = each.claim.person
        excluded = self._excluded(brought, now, late=own is None)
        claimed = [each for each in brought if own is None or each.record.at <= own.at]
        for each in claimed:
            self._evaluate_claimed(each, now, excluded)
        if own is not None:
            for campaign in self._rule_lists(own.line):
                self._judge(own, campaign, now, None, claimed=False)
        for each in brought[len(claimed) :]:
            self._evaluate_claimed(each, now, excluded)

    def _evaluate_claimed(
        self, each: Claimed, now: int, excluded: Mapping[tuple[int, str], str]
    ) -> None:
        record = each.record
        if record.line.type == "identify":
            _set_traits(each.claim.person, record.line.data, record.at)
        for campaign in self._rule_lists(record.line):
            why = "claimed-before" if each.again else excluded.get((record.place, campaign.name))
            self._judge(record, campaign, now, why, claimed=True)

    def _excluded(
        self, brought: list[Claimed], now: int, *, late: bool
    ) -> dict[tuple[int, str], str]:
        """Of the messages of one claim, a rule may take only the first or last that it is open to.

        A message that was taken stays so: if another one of the same claim arrives late, it is excluded,
        whichever happened first.
        """
        excluded: dict[tuple[int, str], str] = {}
        for campaign in self.campaigns:
            taking = [
                each
                for each in brought
                if campaign.take in {"first", "last"}
                and not each.again
                and campaign in self._rule_lists(each.record.line)
                and _closed(campaign, each.record, now, claimed=True) is None
            ]
            for each in taking:
                taken = taking[0] if campaign.take == "first" else taking[-1]
                if each is not taken or (late and self._took(campaign, each.claim)):
                    excluded[each.record.place, campaign.name] = "retroactive-take"
        return excluded

    def _took(self, campaign: Campaign, claim: ClaimRun) -> bool:
        """Whether the claim has opened an entry already."""
        by_claim = {
            r.line.id
            for r in self.records
            if r.line.user is None
            and r.line.device == claim.device
            and self._claim_over(claim.device, r.at) == claim
        }
        return any(
            e.campaign == campaign.name and e.person is claim.person and e.message in by_claim
            for e in self.entries
        )

    def _rule_lists(self, line: Line) -> Iterator[Campaign]:
        return (c for c in self.campaigns if (line.type, line.name) in c.when)

    def _judge(
        self, record: Recorded, campaign: Campaign, now: int, why: str | None, *, claimed: bool
    ) -> None:
        person = record.owner
        if person is None:
            return
        why = why or _closed(campaign, record, now, claimed=claimed)
        if why is None and campaign.plan not in (None, person.traits.get("plan", (None, 0))[0]):
            why = "who"
        why = why or self._kept_out(campaign, person, record, now)
        if why is None:
            key, ends = record.line.data.get("price"), now + campaign.wait
            entry = Entry(campaign.name, person, record.line.id, record.at, key, ends, claimed)
            self.entries.append(entry)
        self._decide(record.line.id, person, campaign, why or "entered", retroactive=claimed)

    def _kept_out(
        self, campaign: Campaign, person: Person, record: Recorded, now: int
    ) -> str | None:
        past = [e for e in self.entries if e.campaign == campaign.name and e.person is person]
        match campaign.reentry:
            case "every_time":
                kept_out = False
            case "once":
                kept_out = bool(past)
            case "once_per":
                kept_out = any(abs(e.at - record.at) < campaign.period for e in past)
            case "once_per_key":
                kept_out = any(e.key == record.line.data.get("price") for e in past)
            case _:  # not while an earlier one runs
                kept_out = any(e.ends > now for e in past)
        return "reentry" if kept_out else None

    def _decide(
        self,
        message: str,
        person: Person | None,
        campaign: Campaign,
        outcome: str,
        *,
        retroactive: bool,
    ) -> None:
        who = person.first_id if person else None
        self.decided.append(Decided(message, who, campaign.name, outcome, retroactive))


def _set_traits(person: Person, traits: Mapping[str, Plain], at: int) -> None:
    """The newest value wins, by its own time; at one instant, the one that arrived last."""
    for name, value in traits.items():
        if name not in person.traits or person.traits[name][1] <= at:
            person.traits[name] = (value, at)


def _closed(campaign: Campaign, record: Recorded, now: int, *, claimed: bool) -> str | None:
    """Why a rule is not open to a message, for any person; ages are measured to now."""
    price = record.line.data.get("price")
    if campaign.price_over is not None and not (
        isinstance(price, int) and price > campaign.price_over
    ):
        return "where"
    if claimed and campaign.take == "none":
        return "retroactive-off"
    limit = campaign.max_age
    if claimed and campaign.within is not None:
        limit = min(limit, campaign.within)
    return "too-old" if now - record.at > limit else None
