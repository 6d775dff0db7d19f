"""Chains of rules that lead from one person's message to a broadcast.

A browser's event may open an entry of a campaign, and a `track` step of that campaign may trigger a
broadcast. The engine lets no client's message start a broadcast, through any number of steps. So the
broadcast never starts that way, and lint warns of it.

The work grows with the folder, not with its square: the chains are found once, from the broadcasts backwards.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.rules.model import (
    OnDate,
    OnKnown,
    OnMessage,
    OnQuiet,
    OnSegment,
    Rule,
    RuleKind,
    Segment,
    Step,
)

Cause: TypeAlias = tuple[MessageType, str] | tuple[Literal["attribute"], str]
"""What a step does that may trigger a rule: it sends a message of a name, or sets an attribute."""

Ground: TypeAlias = tuple[MessageType | Literal["segment"], str, bool]
"""What triggers a rule: messages of a name, or with a beginning (True), or what moves people in a segment."""


class Chains:
    """The rules of a folder, and which of them lead to a broadcast.

    Args:
        rules: in the order of their files.
        segments: by id.
    """

    def __init__(self, rules: Sequence[Rule], segments: Mapping[str, Segment]) -> None:
        self._segments = segments
        self._place = {id(rule): place for place, rule in enumerate(rules)}
        self._grounds_of_cause = self._indexed(rules)
        self._steps_away: dict[int, int] = {}
        self._led_to: dict[Ground, Rule] = {}
        self._walk_back(rules)

    def diagnostics(self, rule: Rule) -> Iterator[Diagnostic]:
        """A warning at each step of a rule that leads to a broadcast, if a client can open its entries."""
        if not any(
            isinstance(trigger, OnMessage | OnSegment | OnKnown | OnDate | OnQuiet)
            for trigger in rule.triggers
        ):
            return
        if rule.kind is RuleKind.BROADCAST:  # a client cannot start it in the first place
            return
        for place in rule.route.places.values():
            way = [*self._to_a_broadcast(place.step)]
            if way:
                path = (*place.path, place.step.key)
                yield Diagnostic.warning_at(path, "leads-to-broadcast", _sentence(way))

    def _to_a_broadcast(self, step: Step) -> Iterator[Rule]:
        """The rules on the shortest chain from a step to a broadcast; none if there is no chain."""
        following = self._nearest([step])
        while following is not None:
            yield following
            if following.kind is RuleKind.BROADCAST:
                return
            following = self._nearest(following.route.every_step())

    def _nearest(self, steps: Iterable[Step]) -> Rule | None:
        """Of the rules that these steps trigger, the one from which a broadcast is nearest."""
        grounds = (
            ground for step in steps for cause in _causes(step) for ground in self._met_by(cause)
        )
        led_to = (self._led_to[ground] for ground in grounds if ground in self._led_to)
        return min(led_to, key=self._distance, default=None)

    def _distance(self, rule: Rule) -> tuple[int, int]:
        return self._steps_away[id(rule)], self._place[id(rule)]

    def _walk_back(self, rules: Sequence[Rule]) -> None:
        """Find how far each rule is from a broadcast, and what each ground leads to first."""
        doers: dict[Cause, list[Rule]] = defaultdict(list)
        for rule in rules:
            for cause in dict.fromkeys(_causes_of(rule)):
                doers[cause].append(rule)
        causes: dict[Ground, list[Cause]] = defaultdict(list)
        for cause in doers:
            for ground in self._met_by(cause):
                causes[ground].append(cause)
        level, away = [rule for rule in rules if rule.kind is RuleKind.BROADCAST], 0
        while level:
            self._steps_away |= {id(rule): away for rule in level}
            new = [*self._newly_led_to(level)]
            before = [doer for ground in new for c in causes[ground] for doer in doers.pop(c, ())]
            level = [
                r for r in {id(r): r for r in before}.values() if id(r) not in self._steps_away
            ]
            away += 1

    def _newly_led_to(self, level: Sequence[Rule]) -> Iterator[Ground]:
        """Note which rule each ground leads to first; gives those that led nowhere yet."""
        for rule in sorted(level, key=self._distance):
            for ground in self._grounds_of(rule):
                if ground not in self._led_to:
                    self._led_to[ground] = rule
                    yield ground

    def _indexed(self, rules: Sequence[Rule]) -> Mapping[Cause, Sequence[Ground]]:
        """The segments that trigger rules, by what may move people into them or out of them."""
        found: dict[Cause, list[Ground]] = defaultdict(list)
        watched = {t.segment for rule in rules for t in rule.triggers if isinstance(t, OnSegment)}
        for name in sorted(watched & self._segments.keys()):
            who = self._segments[name].who
            ground: Ground = ("segment", name, False)
            for path in who.variables:
                if path.startswith("person."):
                    found["attribute", path.removeprefix("person.")].append(ground)
            for event in {each.event for each in who.performed}:
                found[MessageType.TRACK, event].append(ground)
        return found

    @staticmethod
    def _grounds_of(rule: Rule) -> Iterator[Ground]:
        for trigger in rule.triggers:
            if isinstance(trigger, OnSegment):
                yield "segment", trigger.segment, False
            elif isinstance(trigger, OnMessage):
                yield from ((trigger.type, name, False) for name in trigger.names)
                yield from ((trigger.type, beginning, True) for beginning in trigger.prefixes)

    def _met_by(self, cause: Cause) -> Iterator[Ground]:
        yield from self._grounds_of_cause.get(cause, ())
        kind, name = cause
        if isinstance(kind, MessageType):
            yield kind, name, False
            yield from ((kind, name[:length], True) for length in range(len(name) + 1))


def _causes_of(rule: Rule) -> Iterator[Cause]:
    return (cause for step in rule.route.every_step() for cause in _causes(step))


def _causes(step: Step) -> Iterator[Cause]:
    yield from step.messages_sent
    yield from (("attribute", name) for name in step.attributes_set)


def _sentence(way: Sequence[Rule]) -> str:
    *between, last = way
    through = f" through {', '.join(rule.id for rule in between)}" if between else ""
    return (
        f"this leads{through} to the broadcast {last.id}, which goes to many, and which nothing that a "
        "browser sends may start: it starts only where a server's message opened the entry; let the "
        f"host call it up (when: api), or make {last.id} a campaign"
    )
