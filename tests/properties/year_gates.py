"""Whether a person enters, for the model of a year: the gates of a rule in their order. Nothing is the engine's."""

from typing import Any
from zoneinfo import ZoneInfo

from tests.properties.year_clock import local, moment_of, span
from tests.properties.year_entries import Steps
from tests.properties.year_identity import Person
from tests.properties.year_rules import Rule
from tests.properties.year_sends import Entry
from tests.properties.year_words import Data, Look, Said, found, holds, key_of

_MAX_DEPTH = 8


class Gates(Steps):
    """Lets the people of a household into rules."""

    depth: int

    def decide(
        self, rule: Rule, person: Person, message: Said, now: int, *, is_late: bool = False
    ) -> None:
        """Let the person in, unless something is against it."""
        against = self._against(rule, person, message, now, is_late=is_late)
        if against is None:
            self.enter(rule, person, message, now)
        else:
            self.count(now, rule, against)

    def _against(
        self, rule: Rule, person: Person, message: Said, now: int, *, is_late: bool
    ) -> str | None:
        if self.depth > _MAX_DEPTH:
            return "loop"
        shut = self.shut(rule, person, message, now, is_late=is_late)
        look = self.look(person, message.at, rule, message)
        if shut or not holds(rule.data.get("who"), look):
            return shut or "who"
        goal = rule.data.get("goal")
        if isinstance(goal, dict) and goal.get("already") == "skip":
            trial = Entry(rule, person, person.ids[0], message, now, [])
            before = [m for m in person.past if m is not message and m.at <= message.at]
            if any(self.meets(goal, m, trial) for m in before):
                return "goal-met"
        return self._refusal(rule, person, message)

    def shut(
        self, rule: Rule, person: Person, message: Said, now: int, *, is_late: bool
    ) -> str | None:
        """Why the rule is not open to the message, whoever the person is."""
        look = self.look(person, message.at, rule, message)
        data = rule.data
        if not holds(data.get("where"), Look(message.data, look.seen, message.at, look.zone)):
            return "where"
        active, age = data.get("active", True), now - message.at
        if active is False or (isinstance(active, dict) and not _is_active(active, message.at)):
            return "inactive"
        policy = data.get("retroactive", True)
        if is_late and policy is False:
            return "retroactive-off"
        if is_late and isinstance(policy, dict) and age > span(policy.get("within", "9999d")):
            return "too-old"
        return "too-old" if age > span(data.get("max_age", "72h")) else None

    def _refusal(self, rule: Rule, person: Person, message: Said) -> str | None:
        match rule.data.get("reentry"):
            case {"once_per_key": path} if self._key(path, message) is None:
                return "key-missing"
        earlier = [entry for entry in person.entries if entry.rule is rule]
        return "reentry" if any(self.refuses(each, message) for each in earlier) else None

    def _key(self, path: str, message: Said) -> str | None:
        return key_of(found({"properties": message.data}, path))

    def refuses(self, earlier: Entry, message: Said) -> bool:
        """Whether an entry keeps the same person from entering again by a message."""
        match earlier.rule.data.get("reentry"):
            case "once":
                return True
            case "not_while_active":
                return earlier.ended is None
            case {"once_per": "day" | "week" | "month" as period}:
                zone = self.rules.clock(earlier.rule, earlier.person.values)
                return _slot(period, earlier.opening.at, zone) == _slot(period, message.at, zone)
            case {"once_per": period}:
                return abs(earlier.opening.at - message.at) < span(period)
            case {"once_per_key": path}:
                return self._key(path, earlier.opening) == self._key(path, message)
        return False


def _is_active(active: Data, at: int) -> bool:
    start, stop = (
        moment_of(str(active[k]), ZoneInfo("UTC")) if k in active else None
        for k in ("from", "until")
    )
    return (start is None or start <= at) and (stop is None or at < stop)


def _slot(period: str, at: int, zone: Any) -> tuple[int, ...]:
    day = local(at, zone).date()
    match period:
        case "day":
            return (day.toordinal(),)
        case "week":
            return day.isocalendar()[:2]
    return day.year, day.month
