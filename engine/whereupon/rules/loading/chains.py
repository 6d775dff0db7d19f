"""Chains of rules that lead from one person's message to a broadcast.

A browser's event may open an entry of a campaign, and a `track` step of that campaign may trigger a
broadcast. The engine lets no client's message start a broadcast, through any number of steps. So the
broadcast never starts that way, and lint warns of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from whereupon.conditions import Performed
from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.rules.model import (
    OnKnown,
    OnMessage,
    OnSegment,
    Rule,
    RuleKind,
    Segment,
    Step,
    Trigger,
)


@dataclass(frozen=True, slots=True)
class Chains:
    """The rules of a folder, and which of them a step of another rule triggers."""

    rules: Sequence[Rule]
    segments: Mapping[str, Segment]

    def diagnostics(self, rule: Rule) -> Iterator[Diagnostic]:
        """A warning at each step of a rule that leads to a broadcast, if a client can open its entries."""
        if not any(
            isinstance(trigger, OnMessage | OnSegment | OnKnown) for trigger in rule.triggers
        ):
            return
        if rule.kind is RuleKind.BROADCAST:  # a client cannot start it in the first place
            return
        for place in rule.route.places.values():
            way = self._to_a_broadcast(place.step)
            if way is not None:
                path = (*place.path, place.step.key)
                yield Diagnostic.warning_at(path, "leads-to-broadcast", _sentence(way))

    def _to_a_broadcast(self, step: Step) -> list[Rule] | None:
        """The rules on the shortest chain from a step to a broadcast; None if there is no chain."""
        ways = [[rule] for rule in self._triggered_by(step)]
        seen = {way[0].id for way in ways}
        while ways:
            way = ways.pop(0)
            if way[-1].kind is RuleKind.BROADCAST:
                return way
            for each in way[-1].route.every_step():
                for rule in self._triggered_by(each):
                    if rule.id not in seen:
                        seen.add(rule.id)
                        ways.append([*way, rule])
        return None

    def _triggered_by(self, step: Step) -> Iterator[Rule]:
        for rule in self.rules:
            if any(self._triggers(step, trigger) for trigger in rule.triggers):
                yield rule

    def _triggers(self, step: Step, trigger: Trigger) -> bool:
        if isinstance(trigger, OnSegment):
            return self._changes(step, trigger.segment)
        return isinstance(trigger, OnMessage) and any(
            trigger.names_message(*message) for message in step.messages_sent
        )

    def _changes(self, step: Step, segment: str) -> bool:
        """Whether the step may move a person into the segment or out of it."""
        read, performed = self._read(segment), {each.event for each in self._performed(segment)}
        return any(f"person.{name}" in read for name in step.attributes_set) or any(
            type_ is MessageType.TRACK and name in performed for type_, name in step.messages_sent
        )

    def _performed(self, segment: str) -> Iterator[Performed]:
        if segment in self.segments:
            yield from self.segments[segment].who.performed

    def _read(self, segment: str) -> frozenset[str]:
        return self.segments[segment].who.variables if segment in self.segments else frozenset()


def _sentence(way: Sequence[Rule]) -> str:
    *between, last = way
    through = f" through {', '.join(rule.id for rule in between)}" if between else ""
    return (
        f"this leads{through} to the broadcast {last.id}, which goes to many, and which nothing that a "
        "browser sends may start: it starts only where a server's message opened the entry; let the "
        f"host call it up (when: api), or make {last.id} a campaign"
    )
