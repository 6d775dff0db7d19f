"""Entries and their steps, for the model of a year: who is inside a rule, what is done for them, and what ends it."""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tests.properties.year_clock import date_moment, local, next_time, span
from tests.properties.year_rules import Rule, days_on, filled, listed
from tests.properties.year_sends import Entry, Sends
from tests.properties.year_words import Data, Look, Said, found, holds, is_same, is_timed, next_turn

if TYPE_CHECKING:
    from tests.properties.year_identity import Person

_EARLY = {"event", "condition", "goal", "who", "merged", "segment"}
_KEPT_BACK = {"unsubscribed", "topic", "cap"}
_ROUNDS = 10


def draw(name: str, user: str) -> int:
    """The ten thousandth by which a split or a holdout goes, as the reference page says it is computed."""
    digest = blake2b(f"{name}\x1f{user}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 10_000


class Steps(Sends):
    """What is done for the people of a household; the household says what happens to them."""

    count: Callable[[int, Rule, str], None]
    say: Callable[["Person", Said, int], None]

    # --- what is seen -----------------------------------------------------------------------------

    def look(
        self, person: "Person", now: int, rule: Rule | None = None, opening: Said | None = None
    ) -> Look:
        """What a condition over a person sees."""
        values = person.values
        seen: Data = {"person": values, "timestamp": now}
        if opening is not None:
            name = {"event": opening.name} if opening.name else {}
            seen |= {"properties": opening.data, "type": opening.kind, **name}
        zone = self.rules.clock(rule, values)
        return Look(values, seen, now, zone, person.past, self.rules.segments)

    def inside_look(self, entry: Entry, now: int) -> Look:
        """What a condition of an entry sees."""
        return self.look(entry.person, now, entry.rule, entry.opening)

    def turns(self, entry: Entry, now: int) -> Iterator[int]:
        """When time alone may end an entry, or the wait that it stands at."""
        watched = [way for way in _exits(entry.rule) if not _is_event(way)]
        watched += [entry.rule.data.get("who")] if entry.rule.data.get("stay") else []
        if entry.reached is not None:
            watched += [arm["who"] for arm in entry.todo[0].get("wait_for", []) if "who" in arm]
        for condition in watched:
            if is_timed(condition, self.rules.segments):
                at = next_turn(condition, self.inside_look(entry, now))
                yield from () if at is None else (at,)

    # --- in and out -------------------------------------------------------------------------------

    def enter(self, rule: Rule, person: "Person", opening: Said, now: int) -> None:
        """Let a person in, or keep them as one of the holdout."""
        entry = Entry(rule, person, person.ids[0], opening, now, list(rule.data["whereupon"]))
        person.entries.append(entry)
        held = _is_held_out(rule, entry.user)
        self.count(now, rule, "holdout" if held else "entered")
        if held:
            self.end(entry, "holdout", now)
        self.leaves(entry, person.evidence, now, frozenset())
        self.converts(entry, person.evidence, now)
        self.run(entry, now)

    def end(self, entry: Entry, reason: str, now: int) -> None:
        """End an entry once; if it leaves early, what is still pending is withdrawn."""
        if entry.ended is None:
            entry.ended, entry.for_place = (reason, now), False
            entry.due = entry.reached = entry.capped_since = None
            taken_back = [each for each in entry.sends if each.state == "pending"]
            for each in taken_back if reason in _EARLY else ():
                each.state = "withdrawn"
            if taken_back and reason in _EARLY:
                for other in entry.person.entries:
                    other.due = now if other.for_place else other.due

    def leaves(self, entry: Entry, heard: list[Said], now: int, left: frozenset[str]) -> None:
        """End the entry if an exit holds: by a message since the opening one, a segment left, or the person."""
        if entry.ended is not None:
            return
        since = [m for m in heard if self.is_after(m, entry.opening)]
        for way in _exits(entry.rule):
            reason = self._way_out(way, entry, since, now, left)
            if reason is not None:
                self.end(entry, reason, now)
        look = self.inside_look(entry, now)
        if entry.rule.data.get("stay") and not holds(entry.rule.data.get("who"), look):
            self.end(entry, "who", now)

    def _way_out(
        self, way: Any, entry: Entry, since: list[Said], now: int, left: frozenset[str]
    ) -> str | None:
        if not _is_event(way):
            return "condition" if holds(way, self.inside_look(entry, now)) else None
        if isinstance(way, dict) and "leaves" in way:
            return "segment" if way["leaves"] in left else None
        return "event" if any(self.meets(way, m, entry) for m in since) else None

    def is_after(self, message: Said, opening: Said) -> bool:
        """Whether a message happened after the opening one."""
        return message is not opening and message.at >= opening.at

    def meets(self, asked: Any, message: Said, entry: Entry) -> bool:
        """Whether a message is the event that is asked for, of the same things as the opening one."""
        asked = {"event": asked} if isinstance(asked, str) else asked
        if message.kind != "track" or message.name != asked["event"]:
            return False
        seen = {"properties": message.data, "event": message.name}
        zone = self.rules.clock(entry.rule, {})
        return is_same(asked.get("same"), message.data, entry.opening.data) and holds(
            asked.get("where"), Look(message.data, seen, message.at, zone)
        )

    def converts(self, entry: Entry, heard: list[Said], now: int) -> None:
        """Note that the goal is met, once, by the message's own time, also when the steps are over."""
        goal = entry.rule.data.get("goal")
        if goal is None or entry.converted or "merged" in (entry.ended or ()):
            return
        goal = {"event": goal} if isinstance(goal, str) else goal
        starts = [entry.opening.at]
        if goal.get("after") == "first_send" and "holdout" not in (entry.ended or ()):
            starts = [each.at for each in entry.sends if each.state not in _KEPT_BACK]
        until = entry.opening.at + span(goal.get("within", "7d"))
        for message in heard:
            is_in_time = starts and min(starts) <= message.at <= until
            if (
                is_in_time
                and self.is_after(message, entry.opening)
                and self.meets(goal, message, entry)
            ):
                entry.converted = True
                if goal.get("exit", True):
                    self.end(entry, "goal", now)

    # --- steps ------------------------------------------------------------------------------------

    def go_on(self, entry: Entry, now: int) -> None:
        """Go on with an entry that is due."""
        entry.due = None
        if entry.reached is not None:
            step = entry.todo.pop(0)
            entry.reached = None
            if "wait_for" in step:
                entry.todo[:0] = step.get("else", [])
        self.run(entry, now)

    def run(self, entry: Entry, now: int, message: Said | None = None) -> None:
        """Do steps until one waits; a message, or what it changed, may end the wait that it stands at."""
        while entry.ended is None:
            self.leaves(entry, [], now, frozenset())
            if entry.ended is None and not entry.todo:
                self.end(entry, "completed", now)
            if entry.ended is not None or not self._step(entry, now, message):
                return
            entry.due = entry.reached = entry.capped_since = message = None
            entry.for_place = False

    def _step(self, entry: Entry, now: int, message: Said | None) -> bool:
        """Do the next step; False if the entry waits at it, or ended."""
        step = entry.todo[0]
        step = {step: True} if isinstance(step, str) else step
        if entry.reached is None and not holds(step.get("if"), self.inside_look(entry, now)):
            del entry.todo[0]
            return True
        if "wait_for" in step:
            return self._wait_for(entry, step, now, message)
        if "wait" in step:
            return self._wait(entry, step["wait"], now)
        if "send" in step:
            return self.send(entry, step, now)
        del entry.todo[0]
        self._act(entry, step, now)
        return True

    def _wait(self, entry: Entry, wait: Any, now: int) -> bool:
        entry.reached = now if entry.reached is None else entry.reached
        entry.due = self._until(entry, wait, entry.reached)
        if entry.due is None:
            self.end(entry, "no-date", now)
            return False
        if entry.due > now:
            return False
        del entry.todo[0]
        return True

    def has_moved(self, entry: Entry, wait: Any) -> bool:
        """Whether the wait that an entry stands at goes by a date that has moved; else it takes its turn."""
        if (
            entry.reached is None
            or isinstance(wait, str)
            or not wait["until"].startswith("person.")
        ):
            return False
        return self._until(entry, wait, entry.reached) != entry.due

    def _until(self, entry: Entry, wait: Any, reached: int) -> int | None:
        if isinstance(wait, str):
            return reached + span(wait)
        values = entry.person.values
        zone = self.rules.clock(entry.rule, values)
        if not wait["until"].startswith("person."):
            return next_time(reached, wait["until"], days_on(wait), zone)
        return date_moment(found(values, wait["until"].removeprefix("person.")), wait, zone)

    def _wait_for(self, entry: Entry, step: Data, now: int, message: Said | None) -> bool:
        """Take the first arm that holds, by the message or, when the wait is reached, by all of them."""
        seen = [message] if message and entry.reached is not None else entry.person.evidence
        reached = entry.reached = now if entry.reached is None else entry.reached
        entry.due = None if step["up_to"] == "forever" else reached + span(step["up_to"])
        passed = entry.passed.setdefault(id(step), [])
        start = reached if step.get("since") == "step" else entry.opening.at
        start = max([start, *(m.at for m in passed if m)])
        seen = [
            m for m in seen if m not in passed and m.at >= start and self.is_after(m, entry.opening)
        ]
        for arm in step["wait_for"]:
            hit = [m for m in seen if "event" in arm and self.meets(arm, m, entry)]
            if hit or ("who" in arm and holds(arm["who"], self.inside_look(entry, now))):
                passed.append(hit[0] if hit else None)
                anew = [step] if arm.get("again") and len(passed) <= _ROUNDS else []
                entry.todo[:1] = [*arm.get("then", []), *anew]
                return True
        return False

    def _act(self, entry: Entry, step: Data, now: int) -> None:
        """Do a step that does not wait."""
        seen = self.inside_look(entry, now).seen
        seen |= {"timestamp": local(entry.opening.at, self.rules.clock(None, {})).isoformat()}
        match step:
            case {"set": given}:
                self._said(entry, "identify", "", _all_filled(given, seen), now)
            case {"track": name, **rest}:
                self._said(entry, "track", name, _all_filled(rest.get("properties", {}), seen), now)
            case {"branch": arms}:
                look = self.inside_look(entry, now)
                taken = (arm for arm in arms if "else" in arm or holds(arm["if"], look))
                arm: Data = next(taken, {})
                entry.todo[:0] = listed(arm.get("then", arm.get("else", [])))
            case {"split": {"arms": arms, "name": str(name)}}:
                drawn = draw(name, entry.user)
                ends = accumulate(round(100 * arm["share"]) for arm in arms.values())
                entry.todo[:0] = next(
                    arm["then"] for arm, end in zip(arms.values(), ends, strict=True) if drawn < end
                )
            case {"exit": _}:
                self.end(entry, "step", now)
            case _:
                raise NotImplementedError(str(step))

    def _said(self, entry: Entry, kind: str, name: str, data: Data, now: int) -> None:
        self.say(entry.person, Said("", kind, name, None, None, data, now, now, entry.person), now)


def _exits(rule: Rule) -> list[Any]:
    return listed(rule.data.get("exit", []))


def _is_event(way: Any) -> bool:
    return isinstance(way, str) or not {"event", "leaves"}.isdisjoint(way)


def _is_held_out(rule: Rule, user: str) -> bool:
    holdout = rule.data.get("holdout", 0)
    percent: float = holdout["percent"] if isinstance(holdout, dict) else holdout
    group = holdout.get("group", rule.id) if isinstance(holdout, dict) else rule.id
    return draw(f"holdout\x1f{group}", user) < round(100 * percent)


def _all_filled(given: Data, seen: Data) -> Data:
    return {name: filled(value, seen) for name, value in given.items()}
