"""A small model of journeys, to compare the engine with: lists and loops, and no code in common with it.

Rules are the plain data of rule files, in a part of the grammar. Times are whole seconds since 1970, in UTC.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from tests.properties.journey_words import first_arm, holds, key_of, meets, seconds, until_when
from tests.properties.journey_world import Data, Message, People, Person

MAX_AGE, ROUNDS = 3 * 86400, 10
EARLY = ("event", "condition", "goal", "who", "merged")
Place = tuple[str, str, Data]
"""A step: its address, the end that addresses within it have, and what it says."""


@dataclass(eq=False)
class Entry:
    """One person's run through a rule: what is left to do, and what came of it.

    Attributes:
        user: the id that the person entered under.
        ended: the reason and the time.
        reached: when the wait was reached that the entry stands at; None if it stands at none.
        passed: by the address of a wait, the messages that it was passed by, one for each turn.
        sends: title, time and state of each.
    """

    rule: Data
    person: Person
    user: str
    opening: Message
    todo: list[Place]
    ended: tuple[str, int] | None = None
    due: int | None = None
    reached: int | None = None
    passed: dict[str, list[Message | None]] = field(default_factory=dict)
    converted: int | None = None
    splits: list[str] = field(default_factory=list)
    trail: list[tuple[str, str, str | None]] = field(default_factory=list)
    sends: list[tuple[str, int, str]] = field(default_factory=list)


def listed(steps: Any, within: str = "", end: str = "") -> list[Place]:
    """Steps with their addresses."""
    plain = [{each: None} if isinstance(each, str) else each for each in steps or []]
    return [(f"{s.get('name', f'{within}{n}')}{end}", end, s) for n, s in enumerate(plain)]


class Model:
    """Takes messages in their order of arrival; ``draw`` is the ten thousandth of a name and a user id."""

    def __init__(self, rules: list[Data], draw: Callable[[str, str], int]) -> None:
        self.rules, self.draw = rules, draw
        self.people, self.entries = People(), list[Entry]()

    def wake(self, until: int, now: int = 0) -> None:
        """Do what is due by then, each at its time; what was due before ``now`` is done late, as of now."""
        self._fire(self.entries, until, now)

    def deliver(self) -> None:
        """Hand over what is pending."""
        for entry in self.entries:
            entry.sends = [(t, at, "sent" if s == "pending" else s) for t, at, s in entry.sends]

    def take(self, message: Message, now: int) -> None:
        """Let a message arrive; a repeated id does nothing."""
        if any(m.id == message.id for m in self.people.messages):
            return
        message.at = min(message.at, now)
        brought = self.people.record(message)
        if message.name == "alias" and message.owner:
            self._merge(message.owner, self.people.named(message.data["previous"]), now)
        used = [m for m in brought if self._is_used(m)]
        for each in used:
            self._handle(each, now, is_alone=len(brought) == 1)
        owners = [m.owner for m in used]
        self._fire([e for e in self.entries if e.person in owners], now, now)

    def _is_used(self, message: Message) -> bool:
        """Whether any rule names the message; what none names does not wake anybody at its instant."""
        return message.name in ("identify", "alias") or repr(message.name) in str(self.rules)

    def _merge(self, survivor: Person, loser: Person | None, now: int) -> None:
        """Whoever is then inside a rule that would have refused a later entry loses that one."""
        if loser is None or loser is survivor:
            return
        both = sorted(self.entries, key=lambda e: e.opening.at)
        both = [e for e in both if e.person in (survivor, loser)]
        for n, later in enumerate(both):
            first = [e for e in both[:n] if e.rule is later.rule and e.person is not later.person]
            first = [e for e in first if not e.ended or e.ended[0] != "merged"]
            if any(self._refuses(e, later.opening) for e in first):
                self._end(later, "merged", now)
        self.people.merge(survivor, loser)
        for entry in both:
            entry.person = survivor

    # --- what a message does ----------------------------------------------------------------------

    def _handle(self, message: Message, now: int, *, is_alone: bool = False) -> None:
        """Exits, goals, waits, what is due at this instant, and then the rules that it opens."""
        every = [e for rule in self.rules for e in self.entries if e.rule is rule]
        mine = [e for e in every if e.person is message.owner]
        merges = message.name == "alias"
        heard = self.people.of(message.owner) if merges else [message]
        for entry in mine:
            self._leaves(entry, heard, now)
        for entry in mine:
            self._converts(entry, heard, now)
        for entry in mine:
            step = entry.todo[0][2] if entry.reached is not None else {}
            may_move = message.name in ("identify", "alias") and "person." in str(step.get("wait"))
            if "wait_for" in step or may_move:
                self._run(entry, now, None if merges else message)
        if is_alone:
            self._fire([e for e in self.entries if e in mine], now, now)
        for rule in self.rules:
            if message.name == rule["when"]:
                self._open(rule, message, now)

    def _open(self, rule: Data, message: Message, now: int) -> None:
        """Let the person in, unless something is against it; the holdout is asked last."""
        person, goal = message.owner, rule.get("goal", {})
        assert person is not None
        earlier = [e for e in self.entries if e.rule is rule and e.person is person]
        past = [m for m in self.people.of(person) if m is not message]
        before = [m for m in past if m.at <= message.at]
        if (
            not holds(rule.get("where"), message.data)
            or now - message.at > MAX_AGE
            or not holds(rule.get("who"), person.values)
            or self._key(rule, message) is None
            or any(self._refuses(each, message) for each in earlier)
            or (goal.get("already") == "skip" and any(meets(goal, m, message) for m in before))
        ):
            return
        entry = Entry(rule, person, person.ids[0], message, listed(rule["whereupon"]))
        self.entries.append(entry)
        if self.draw(f"holdout\x1f{rule['campaign']}", entry.user) < 100 * rule.get("holdout", 0):
            self._end(entry, "holdout", now)
        self._leaves(entry, past, now)
        self._converts(entry, past, now)
        self._run(entry, now)

    def _key(self, rule: Data, message: Message) -> str | None:
        """What re-entry goes by, if it goes by a key; None if the message lacks it."""
        if "once_per_key" not in rule["reentry"]:
            return ""
        return key_of(message.data.get(rule["reentry"]["once_per_key"].split(".")[1]))

    def _refuses(self, earlier: Entry, message: Message) -> bool:
        """Whether an entry keeps the same person from entering again by a message."""
        match earlier.rule["reentry"]:
            case "not_while_active":
                return not earlier.ended
            case {"once_per": period}:
                return abs(earlier.opening.at - message.at) < seconds(period)
            case {"once_per_key": _}:
                return self._key(earlier.rule, earlier.opening) == self._key(earlier.rule, message)
        return bool(earlier.rule["reentry"] == "once")

    def _leaves(self, entry: Entry, messages: list[Message], now: int) -> None:
        """End the entry if an exit holds: a message since the opening one, or the person as they are."""
        rule, values = entry.rule, entry.person.values
        since = self.people.after(entry.opening, messages)
        for way in rule.get("exit", []):
            if "event" not in way and holds(way, values):
                self._end(entry, "condition", now)
            if "event" in way and any(meets(way, m, entry.opening) for m in since):
                self._end(entry, "event", now)
        if rule.get("stay") and not holds(rule.get("who"), values):
            self._end(entry, "who", now)

    def _converts(self, entry: Entry, messages: list[Message], now: int) -> None:
        """Note that the goal is met, once, by the message's own time, also when the steps are over."""
        goal, opening = entry.rule.get("goal", {}), entry.opening
        starts, until = [opening.at], opening.at + seconds(goal.get("within", "7d"))
        if goal.get("after") == "first_send" and "holdout" not in (entry.ended or ()):
            starts = [at for _, at, _ in entry.sends]
        heard = self.people.after(opening, messages if goal and starts else [])
        heard = [m for m in heard if min(starts) <= m.at <= until]
        for message in (m for m in heard if meets(goal, m, opening)):
            if entry.converted is None and "merged" not in (entry.ended or ()):
                entry.converted = message.at
                if goal.get("exit", True):
                    self._end(entry, "goal", now)

    def _end(self, entry: Entry, reason: str, now: int) -> None:
        """End an entry once; if it leaves early, what it has sent and is still pending is withdrawn."""
        if entry.ended is None:
            entry.ended, entry.due, entry.reached = (reason, now), None, None
            then = {"pending": "withdrawn"} if reason in EARLY else {}
            entry.sends = [(t, at, then.get(s, s)) for t, at, s in entry.sends]

    # --- steps ------------------------------------------------------------------------------------

    def _fire(self, among: list[Entry], until: int, now: int) -> None:
        """What is due goes by its time and then by the rule's id; what is late is done now, in that order."""
        while due := [
            (e.due, e.rule["campaign"], n) for n, e in enumerate(among) if e.due and e.due <= until
        ]:
            first, _, number = min(due)
            at, entry = max(first, now), among[number]
            self._leaves(entry, [], at)
            if not entry.ended:
                entry.due = entry.reached = None
                place = entry.todo.pop(0)
                if "wait_for" in place[2]:
                    self._take_arm(entry, "expired", place, "else", place[2].get("else"))
                self._run(entry, at)

    def _run(self, entry: Entry, now: int, message: Message | None = None) -> None:
        """Do steps until one waits; a message, or what it changed, may end the wait that it stands at."""
        while not entry.ended:
            self._leaves(entry, [], now)
            if not entry.ended and not entry.todo:
                self._end(entry, "completed", now)
            if entry.ended or not self._step(entry, entry.todo[0], now, message):
                return
            entry.due = entry.reached = message = None

    def _step(self, entry: Entry, place: Place, now: int, message: Message | None) -> bool:
        """Do one step; False if the entry waits at it, or ended."""
        address, _, step = place
        if entry.reached is None and not holds(step.get("if"), entry.person.values):
            entry.trail.append(("step-if", address, None))
        elif "wait_for" in step:
            return self._wait_for(entry, place, now, message)
        elif "wait" in step:
            entry.reached = entry.reached or now
            entry.due = until_when(step["wait"], entry.person.values, entry.reached)
            if entry.due is None:
                self._end(entry, "no-date", now)
            if entry.due is None or entry.due > now:
                return False
        del entry.todo[0]
        if entry.reached is None and ("step-if", address, None) not in entry.trail[-1:]:
            self._act(entry, place, now)
        return True

    def _wait_for(self, entry: Entry, place: Place, now: int, message: Message | None) -> bool:
        """Take the first arm that holds, by the message or, when the wait is reached, by all of them."""
        address, end, step = place
        seen = [message] if message and entry.reached else self.people.of(entry.person)
        reached = entry.reached = entry.reached or now
        entry.due = None if step["up_to"] == "forever" else reached + seconds(step["up_to"])
        passed = entry.passed.setdefault(address.removesuffix(end), [])
        start = reached if step.get("since") == "step" else entry.opening.at
        start = max([start, *(m.at for m in passed if m)])
        led = "since" in step and not message and start == reached  # those of that instant led here
        seen = [m for m in self.people.after(entry.opening, seen) if m not in passed]
        seen = [m for m in seen if start + led <= m.at]
        for n, arm in enumerate(step["wait_for"]):
            found = [m for m in seen if "event" in arm and meets(arm, m, entry.opening)]
            changed = not message or message.name in ("identify", "alias")
            if found or ("who" in arm and changed and holds(arm["who"], entry.person.values)):
                passed.append(found[0] if found else None)
                turn = f"#{len(passed)}"
                anew = (address.removesuffix(end) + turn, turn, step)
                entry.todo[:1] = [anew] if arm.get("again") and len(passed) <= ROUNDS else []
                self._take_arm(entry, "passed", place, str(n), arm.get("then"))
                return True
        return False

    def _act(self, entry: Entry, place: Place, now: int) -> None:
        """Do a step that does not wait."""
        address, _, step = place
        match step:
            case {"send": _}:
                entry.sends.append((step["title"], now, "pending"))
            case {"set": said}:
                self._say(Message(address, "identify", None, None, said, now, entry.person), now)
            case {"track": name}:
                self._say(Message(address, name, None, None, {}, now, entry.person), now)
            case {"branch": arms}:
                self._take_arm(entry, "arm", place, *first_arm(arms, entry.person.values))
            case {"split": {"name": name, "arms": arms}}:
                drawn = self.draw(name, entry.user)
                ends = accumulate(round(100 * arm["share"]) for arm in arms.values())
                label = next(a for a, end in zip(arms, ends, strict=True) if drawn < end)
                entry.splits += [f"{name}={label}"] if f"{name}={label}" not in entry.splits else []
                self._take_arm(entry, "arm", place, label, arms[label]["then"])
            case {"exit": _}:
                self._end(entry, "step", now)

    def _take_arm(
        self, entry: Entry, kind: str, place: Place, label: str | None, steps: Any
    ) -> None:
        """Do the steps of an arm next; what does not start its wait anew is of no round of it."""
        address, end, step = place
        entry.trail.append((kind, address, label))
        anew = [str(n) for n, arm in enumerate(step.get("wait_for", [])) if arm.get("again")]
        ending = end if not anew or label in anew else ""
        entry.todo[:0] = listed(steps, f"{address.removesuffix(end)}.{label}.", ending)

    def _say(self, message: Message, now: int) -> None:
        self.people.messages.append(message)
        if message.name == "identify" and message.owner:
            message.owner.say(message.data, now)
        self._handle(message, now)
