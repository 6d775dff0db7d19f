"""A model of time and people, to compare a year of the engine with: events in their order, and no code in common.

Rules are the plain data of rule files. Everything happens in a household: one or two people who share nothing with
others but broadcasts. Instants are whole microseconds since 1970.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any

from tests.properties.year_clock import (
    DAY,
    SECOND,
    date_moment,
    in_year,
    local,
    moment_of,
    on_clock,
    span,
)
from tests.properties.year_gates import Gates
from tests.properties.year_identity import OwnRun, People, Person
from tests.properties.year_rules import Rule, Rules, fits, listed
from tests.properties.year_sends import Entry
from tests.properties.year_words import Said, found, holds, next_turn

STAYS_OPEN = 26 * 3600 * SECOND
"""How long a run at each person's own time is open."""
Coming = tuple[int, Rule, Said]
"""A broadcast's run: when, and the message or the time that opened it."""


class Household(Gates):
    """Takes the year of a household; `counts` says how many of what happened, by day, rule and outcome.

    Args:
        rules: the folder.
        runs: the runs of broadcasts that everybody is asked for, in their order.
    """

    def __init__(self, rules: Rules, runs: list[Coming]) -> None:
        self.rules, self.counts = rules, Counter[tuple[int, str, str]]()
        self.admitted = Counter[tuple[str, str]]()
        self._coming, self._open = list(runs), list[OwnRun]()
        self.people = People()
        self.depth = 0

    def live(self, year: list[Said], end: int) -> None:
        """Let everything happen before an instant."""
        for message in sorted(year, key=attrgetter("arrives")):
            self.wake(message.arrives - 1)
            self._take(message)
        self.wake(end - 1)
        for entry in (entry for person in self.people.everybody for entry in person.entries):
            reason, at = entry.ended or ("inside", entry.at)
            self.count(at, entry.rule, f"end {reason}")
            for each in entry.sends:
                self.count(each.at, entry.rule, f"send {each.channel} {each.state}")
            if entry.converted:
                self.count(entry.opening.at, entry.rule, "converted")

    def count(self, at: int, rule: Rule, outcome: str) -> None:
        """Count what happened on a day."""
        self.counts[at // DAY, rule.id, outcome] += 1

    # --- time -------------------------------------------------------------------------------------

    def wake(self, until: int) -> None:
        """Do what time alone does by then, each at its moment."""
        while True:
            at, who = min(
                ((self._next(p), n) for n, p in enumerate(self.people.everybody)),
                default=(until + 1, 0),
            )
            if self._coming and self._coming[0][0] < min(at, until + 1):
                self._begin(*self._coming.pop(0))
            elif at <= until:
                self._wake_person(self.people.everybody[who], at)
            else:
                return

    def _next(self, person: Person) -> int:
        if person.next is None:
            never = 1 << 62
            person.next = min(
                (at for at in self._moments(person) if at > person.asked), default=never
            )
        due = [entry.due for entry in person.entries if entry.due is not None]
        return min([person.next, *due, *person.runs.values()])

    def _moments(self, person: Person) -> Iterator[int]:
        for entry in person.entries:
            if entry.ended is None:
                yield from self.turns(entry, person.asked)
        for name in self.rules.timed_segments:
            at = next_turn(self.rules.segments[name], self.look(person, person.asked))
            yield from () if at is None else (at,)
        for rule in self.rules.by_time:
            yield from (at for at, _ in self._openings(rule, person))

    def _wake_person(self, person: Person, at: int) -> None:
        """Of one moment: exits, then steps, then what time opens."""
        for entry in person.entries:
            self.leaves(entry, [], at, frozenset())
            if entry.ended is None and entry.reached is not None and "wait_for" in entry.todo[0]:
                self._ask_arms(entry, at)
        while due := [e for e in person.entries if e.due is not None and e.due <= at]:
            self.go_on(min(due, key=_turn), at)
        self._move(person, at, Said(f"time@{at}", "", "", None, None, {}, at, at, person))
        for rule in self.rules.by_time:
            for moment, opening in [*self._openings(rule, person)]:
                asked = (rule.id, opening.id, moment)
                is_new = asked not in person.fired and not person.was_in(rule, opening.id)
                if moment == at and is_new:
                    person.fired.add(asked)
                    self.decide(rule, person, opening, at)
        for run in [run for run, moment in person.runs.items() if moment <= at]:
            self._take_turn(run, person, at)
        person.asked, person.next = at, None

    def _ask_arms(self, entry: Entry, at: int) -> None:
        if any(
            "who" in arm and holds(arm["who"], self.inside_look(entry, at))
            for arm in entry.todo[0]["wait_for"]
        ):
            self.run(entry, at, Said("", "", "", None, None, {}, at, at))

    def _openings(self, rule: Rule, person: Person) -> Iterator[tuple[int, Said]]:
        """The moments at which time opens a rule for a person, as they are now, with what names each."""
        zone = self.rules.clock(rule, person.values)
        for kind, said in rule.of_kind("date", "quiet"):
            if kind == "quiet":
                spoke = [m.at for m in person.past if _is_among(said["quiet"], m)]
                since = max(spoke, default=person.known_at)
                moment = since + span(said["for"])
                yield moment, Said(f"quiet {since}", "", "", None, None, {}, moment, moment, person)
                continue
            attribute = said["date"].removeprefix("person.")
            value = found(person.values, attribute)
            own = (
                self.rules.clock(None, {"": 0} | person.values) if "timezone" not in said else zone
            )
            for each in _years_of(value, person.asked, zone) if said.get("every") else [value]:
                moment_at = date_moment(each, said, own)
                if moment_at is not None:
                    data = {"date": value, "attribute": attribute}
                    yield (
                        moment_at,
                        Said(
                            f"date {each}", "", "", None, None, data, moment_at, moment_at, person
                        ),
                    )

    # --- broadcasts -------------------------------------------------------------------------------

    def _begin(self, at: int, rule: Rule, opening: Said) -> None:
        """Ask everybody who is known, or let the run be open for each person's own time."""
        if opening.kind == "own":
            self._open = [run for run in self._open if at < run.closes]
            self._open.append(OwnRun(rule, opening.id, opening.data["wall"], at + STAYS_OPEN))
            for person in self.people.everybody:
                self._join(person, at - 1)
        else:
            for person in list(self.people.everybody):
                self._admit(rule, person, opening, at)

    def _join(self, person: Person, now: int) -> None:
        """Note when a person's own time is in the runs that are open, as far as it is still to come or comes sooner."""
        for run in self._open:
            moment, known = self._own_time(run, person), person.runs.get(run)
            is_first = known is None and not person.was_in(run.rule, run.occasion)
            if now < moment and (is_first or (known is not None and moment < known)):
                person.runs[run], person.next = moment, None

    def _own_time(self, run: OwnRun, person: Person) -> int:
        wall = datetime.fromisoformat(run.wall)
        return on_clock(wall.date(), wall.time(), self.rules.clock(run.rule, person.values))

    def _take_turn(self, run: OwnRun, person: Person, at: int) -> None:
        """Let a person in at their time, unless their clock says a later one by now."""
        moment = self._own_time(run, person)
        if moment > at:
            person.runs[run] = moment
            return
        del person.runs[run]
        opening = Said(run.occasion, "", "", None, None, {}, at, at, person)
        self._admit(run.rule, person, opening, at)

    def _admit(self, rule: Rule, person: Person, opening: Said, at: int) -> None:
        if holds(rule.data.get("who"), self.look(person, opening.at, rule, opening)):
            self.admitted[rule.id, opening.id] += 1
            self.enter(rule, person, opening, at)
            person.next = None

    # --- messages ---------------------------------------------------------------------------------

    def _take(self, message: Said) -> None:
        """Let a message arrive: its person, what it claims, and then what each message does, in their order."""
        now = message.arrives
        if message.user is None:
            self.people.unclaimed.append(message)
            return
        person = self.people.named(message.user)
        is_new = person is None
        if person is None:
            person = Person([message.user], now, asked=now)
            self.people.everybody.append(person)
        if message.name == "Delete Person":
            self.people.everybody.remove(person)
            return
        message.owner, before = person, set(person.inside)
        if message.kind == "alias":
            other = self.people.named(message.data["previousId"])
            before |= (
                other.inside if other else set()
            )  # what either was in, the one who is left was in
            self._merge(person, other, now)
        if message.kind == "identify":
            person.tell(message.data, message.at)
        change = self._changed(person, now, before)
        claimed = self.people.claim(person, message)
        self._apply(person, message, claimed, now, change, is_new=is_new)
        self._join(person, now)
        person.asked, person.next = max(person.asked, now), None

    def _apply(
        self,
        person: Person,
        own: Said,
        claimed: list[Said],
        now: int,
        change: tuple[frozenset[str], frozenset[str]],
        *,
        is_new: bool,
    ) -> None:
        """Apply messages in the order in which they happened."""
        excluded = self._excluded(person, claimed, now)
        person.ahead = sorted([*claimed, own], key=attrgetter("at"))
        while person.ahead:
            message = person.ahead.pop(0)
            if message is own:
                self._hear(person, own, now, change, is_new=is_new)
            else:
                none = frozenset[str](), frozenset[str]()
                self._hear(person, message, now, none, is_late=True, excluded=excluded)

    def _excluded(self, person: Person, claimed: list[Said], now: int) -> set[tuple[str, int]]:
        """Rules that take another of the messages that a claim brings, with the number of the message."""
        found_out: set[tuple[str, int]] = set()
        for rule in self.rules.every:
            policy = rule.data.get("retroactive", True)
            if (
                rule.kind == "campaign"
                and isinstance(policy, dict)
                and policy.get("take") in ("first", "last")
            ):
                named = [m for m in claimed if rule.names(m)]
                opened = [m for m in named if not self.shut(rule, person, m, now, is_late=True)]
                taken = opened[:1] if policy["take"] == "first" else opened[-1:]
                found_out |= {(rule.id, id(m)) for m in opened if m not in taken}
        return found_out

    def _hear(
        self,
        person: Person,
        message: Said,
        now: int,
        change: tuple[frozenset[str], frozenset[str]],
        *,
        is_new: bool = False,
        is_late: bool = False,
        excluded: set[tuple[str, int]] = frozenset(),  # type: ignore[assignment]
    ) -> None:
        """Exits, goals, waits, and then the rules that the message opens."""
        before = set(person.inside)
        person.add(message)
        entered, left = self._changed(person, now, before)
        entered, left = entered | change[0], left | change[1]
        heard = person.evidence if message.kind == "alias" else [message]
        for entry in list(person.entries):
            self.leaves(entry, heard, now, left)
        for entry in list(person.entries):
            self.converts(entry, heard, now)
        for entry in sorted(person.entries, key=lambda e: e.rule.place):
            step = entry.todo[0] if entry.reached is not None and entry.ended is None else {}
            may_move = message.kind in ("identify", "alias") and "wait" in step
            if "wait_for" in step or (may_move and self.has_moved(entry, step["wait"])):
                self.run(entry, now, None if message.kind == "alias" else message)
        for rule in sorted(self.rules.every, key=_precedence):
            opened = rule.names(message) or any(
                name in (entered if kind == "enters" else left)
                for kind, name in rule.of_kind("enters", "leaves")
            )
            opened = opened or (is_new and any(rule.of_kind("known")))
            if opened and rule.kind == "campaign":
                if (rule.id, id(message)) in excluded:
                    self.count(now, rule, "retroactive-take")
                else:
                    self.decide(rule, person, message, now, is_late=is_late)

    def say(self, person: Person, message: Said, now: int) -> None:
        """Take what a step says of the person."""
        self.depth += 1
        before = set(person.inside)
        if message.kind == "identify":
            person.tell(message.data, message.at)
        self._hear(person, message, now, self._changed(person, now, before))
        self.depth -= 1

    def _merge(self, survivor: Person, loser: Person | None, now: int) -> None:
        """Two become one; whoever is then inside a rule that would have refused a later entry loses that one."""
        if loser is None or loser is survivor:
            return
        both = sorted(survivor.entries + loser.entries, key=lambda e: e.opening.at)
        for n, later in enumerate(both):
            first = [e for e in both[:n] if e.rule is later.rule and e.person is not later.person]
            first = [e for e in first if not e.ended or e.ended[0] != "merged"]
            if any(self.refuses(each, later.opening) for each in first):
                self.end(later, "merged", now)
        self.people.merge(survivor, loser, both)

    # --- segments ---------------------------------------------------------------------------------

    def _memberships(self, person: Person, now: int) -> set[str]:
        look = self.look(person, now)
        return {name for name in self.rules.watched if holds(self.rules.segments[name], look)}

    def _changed(
        self, person: Person, now: int, before: set[str]
    ) -> tuple[frozenset[str], frozenset[str]]:
        person.inside = self._memberships(person, now)
        return frozenset(person.inside - before), frozenset(before - person.inside)

    def _move(self, person: Person, now: int, opening: Said) -> None:
        """Let a person in whom time alone has moved."""
        entered, left = self._changed(person, now, set(person.inside))
        if not entered and not left:
            return
        for entry in list(person.entries):
            self.leaves(entry, [], now, left)
        for rule in sorted(self.rules.every, key=_precedence):
            for kind, name in rule.of_kind("enters", "leaves"):
                if name in (entered if kind == "enters" else left):
                    self.decide(rule, person, opening, now)


def _turn(entry: Entry) -> tuple[int, int, int]:
    """Of entries that are due, the one with the higher priority goes first, then the one that was due before."""
    assert entry.due is not None
    priority, place = _precedence(entry.rule)
    return priority, entry.due, place


def _precedence(rule: Rule) -> tuple[int, int]:
    return -rule.data.get("priority", 0), rule.place


def _is_among(asked: Any, message: Said) -> bool:
    """Whether a message breaks a silence."""
    if asked == "any":
        return bool(message.id)
    return (
        message.kind == "track"
        and bool(message.id)
        and any(fits(each, message.name) for each in listed(asked))
    )


def _years_of(value: Any, now: int, zone: Any) -> list[str]:
    """The day itself and its anniversaries, of this year and the years beside it."""
    moment = moment_of(value, zone)
    if moment is None:
        return []
    born, year = local(moment, zone), local(now, zone).year
    clock = "" if len(str(value)) == len("2026-01-31") else f"T{born.time().isoformat()}"
    return [
        f"{in_year(born.date(), y)}{clock}"
        for y in (year - 1, year, year + 1, year + 2)
        if y >= born.year
    ]
