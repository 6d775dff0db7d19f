"""Sends, for the model of a year: who wants them, quiet hours, caps. Nothing is taken from the engine."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.properties.year_clock import clock_time, local, next_time, span
from tests.properties.year_rules import Rule, Rules, days_on
from tests.properties.year_words import Data, Said

if TYPE_CHECKING:
    from tests.properties.year_identity import Person

_SAYS_NO = {"false", "0", "no"}
_SAYS_YES = {"true", "1", "yes"}


@dataclass(eq=False)
class Send:
    """A delivery: when it was made, and ``pending``, ``withdrawn``, or why it was withheld."""

    channel: str
    kind: str
    at: int
    state: str


@dataclass(eq=False)
class Entry:
    """One person's run through a rule.

    Attributes:
        user: the id that the person entered under.
        at: when they entered.
        ended: the reason and the time.
        reached: when the wait was reached that the entry stands at; None if it stands at none.
        capped_since: since when the entry stands at a send for the sake of a cap; quiet hours before do not count.
        for_place: whether it stands there for a place under a cap.
        passed: by the number of a wait, the messages that it was passed by.
    """

    rule: Rule
    person: "Person"
    user: str
    opening: Said
    at: int
    todo: list[Any]
    ended: tuple[str, int] | None = None
    due: int | None = None
    reached: int | None = None
    capped_since: int | None = None
    for_place: bool = False
    passed: dict[int, list[Said | None]] = field(default_factory=dict)
    converted: bool = False
    sends: list[Send] = field(default_factory=list)


class Sends:
    """What is sent to the people of a household, and what is not."""

    rules: Rules

    def send(self, entry: Entry, step: Data, now: int) -> bool:
        """Make a delivery, hold it back, or stand at it until it may go out; False if the entry stands."""
        kind, channel = step.get("kind", "marketing"), step["send"]
        state = "pending"
        if kind == "marketing":
            until = self._quiet_until(entry, channel, now)
            entry.for_place = until is None
            if until is None:
                state = _refusal(step, entry.person.values) or state
                if state == "pending" and (over := self._over_cap(entry, channel, now)) is not None:
                    until, state = (None, "cap") if over <= now else (over, "")
                    is_first = until is not None and entry.capped_since is None
                    entry.capped_since = now if is_first else entry.capped_since
            if until is not None:
                entry.due = until
                return False
        del entry.todo[0]
        entry.sends.append(Send(channel, kind, now, state))
        return True

    def _quiet_until(self, entry: Entry, channel: str, now: int) -> int | None:
        """The end of the quiet hours, if it is in them."""
        quiet = self.rules.settings.get("quiet_hours")
        if not quiet or entry.rule.data.get("quiet_hours") in ("off", False):
            return None
        if channel not in quiet.get("channels", [channel]):
            return None
        zone = self.rules.clock(entry.rule, entry.person.values)
        start, stop = clock_time(quiet["from"]), clock_time(quiet["until"])
        at = local(now, zone).time()
        is_quiet = start <= at < stop if start < stop else not stop <= at < start
        return next_time(now, quiet["until"], days_on({}), zone) if is_quiet else None

    def _over_cap(self, entry: Entry, channel: str, now: int) -> int | None:
        """Now, if a cap says that the send is skipped; a later instant, up to which it waits; else None."""
        if entry.rule.data.get("cap") == "exempt":
            return None
        until = None
        for cap in self.rules.settings.get("cap", []):
            if channel not in cap.get("channels", [channel]):
                continue
            counted = [each.at for each in self._sent_within(entry.person, cap, now)]
            if len(counted) < cap["at_most"]:
                continue
            wait = (
                cap["otherwise"]["wait_up_to"] if isinstance(cap.get("otherwise"), dict) else None
            )
            free = sorted(counted)[-cap["at_most"]] + span(cap["per"])
            since = now if entry.capped_since is None else entry.capped_since
            if wait is None or now - since >= span(wait):
                return now
            until = max(until or 0, min(free, since + span(wait)))
        return until

    def _sent_within(self, person: "Person", cap: Data, now: int) -> Iterator[Send]:
        for entry in person.entries:
            for each in entry.sends:
                is_counted = each.state == "pending" and each.kind == "marketing"
                is_counted &= each.channel in cap.get("channels", [each.channel])
                if is_counted and now - span(cap["per"]) < each.at <= now:
                    yield each


def _refusal(step: Data, values: Data) -> str | None:
    """Why a person wants no such send."""
    if str(values.get("unsubscribed")).lower() in _SAYS_YES:
        return "unsubscribed"
    topics = values.get("topics")
    word = topics.get(step.get("topic")) if isinstance(topics, dict) else None
    return "topic" if word is not None and str(word).lower() in _SAYS_NO else None
