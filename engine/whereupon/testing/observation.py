"""What happened in a test as effects that the test can expect."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.decide import Ended
from whereupon.decide.decisions import Decision, Outcome
from whereupon.insight import describe
from whereupon.messages.codec import read_object
from whereupon.messages.model import MessageType, body_data, id_in_ref
from whereupon.records import Delivery, DeliveryState, EndReason, Mark, MarkKind, Request
from whereupon.rules.model import Guard, Rule, Split
from whereupon.rules.route import base_of
from whereupon.rules.steps.run import function_of
from whereupon.testing.cases import Effect, EffectKind, offset
from whereupon.testing.simulation import Happened

_EXIT_STEP = "exit"
_Ending: TypeAlias = tuple[str, str, datetime]
"""Which entry ended: its rule, the message that opened it, and when it ended."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Makes effects of what happened in the tests of one rule or guard.

    Attributes:
        rules: the rules whose effects a test can expect, by id: the one under test, and those that the
            test names.
    """

    subject: Rule | Guard
    rules: Mapping[str, Rule]
    start: datetime

    def effects(self, happened: Happened) -> Iterator[Effect]:
        """The effects of these rules, and every request; of a guard, the requests for its actions."""
        exits = _exit_steps(happened)
        for record in happened.records:
            yield from self._of_record(record, exits)
        if isinstance(self.subject, Rule):
            yield from self._converted(happened)
            yield from self._marked(happened)
            yield from self._sent(happened)
            yield from _known(happened)

    def _of_record(self, record: object, exits: Mapping[_Ending, str]) -> Iterable[Effect]:
        match record:
            case Decision() if record.rule in self.rules:
                return [self._decided(record)]
            case Delivery() if record.rule in self.rules:
                return [self._delivered(record)]
            case Ended() if record.rule in self.rules:
                return [self._ended(record, exits)]
            case Request() if (
                isinstance(self.subject, Rule) or record.action in self.subject.actions
            ):
                return [self._requested(record)]
            case _:
                return ()

    def _facts(
        self, person: str | None, at: datetime, rule: str | None = None
    ) -> dict[str, JsonValue]:
        """What every effect says; the rule only if it is not the one under test."""
        facts: dict[str, JsonValue] = {"person": person, "at": offset(at - self.start)}
        return facts if rule is None or rule == self.subject.id else {**facts, "rule": rule}

    def _decided(self, decision: Decision) -> Effect:
        facts = self._facts(decision.person, decision.decided_at, decision.rule)
        by = f"by {_cause(decision)} at {facts['at']}"
        if decision.outcome is Outcome.ENTERED:
            facts["retroactive"] = decision.retroactive
            return Effect(EffectKind.ENTERED, facts, because=f"they entered {by}")
        because = f"{by} ({decision.reason}), {describe(decision, self.rules[decision.rule])}"
        facts |= {"reason": decision.reason, "event": decision.event}
        return Effect(EffectKind.SKIPPED, facts, because=because)

    def _delivered(self, delivery: Delivery) -> Effect:
        facts = self._facts(delivery.person, delivery.due_at, delivery.rule)
        facts = {"channel": delivery.channel, **facts}
        if delivery.state is DeliveryState.WITHHELD:
            return Effect(EffectKind.WITHHELD, {**facts, "reason": delivery.reason})
        if (function := function_of(delivery.channel)) is not None:
            del facts["channel"]
            return Effect(EffectKind.RAN, {"function": function, **facts})
        return Effect(EffectKind.DELIVERY, facts, delivery.content)

    def _ended(self, ended: Ended, exits: Mapping[_Ending, str]) -> Effect:
        """An exit goes by what ended it, by the reason's word, and of a step by the address."""
        end = ended.end
        facts = self._facts(ended.person, end.at, ended.rule)
        words = {str(end.reason), *([] if end.detail is None else [end.detail])}
        if end.reason == EndReason.STEP:
            words |= {_EXIT_STEP, exits.get((ended.rule, ended.message_id, end.at), _EXIT_STEP)}
        by = _EXIT_STEP if end.reason == EndReason.STEP else end.detail or str(end.reason)
        return Effect(EffectKind.EXITED, {**facts, "by": by}, aliases={"by": frozenset(words)})

    def _requested(self, request: Request) -> Effect:
        facts = {
            "action": request.action,
            **self._facts(request.person, request.decided_at),
            "outcome": request.outcome,
            "reason": request.reason,
        }
        return Effect(EffectKind.REQUEST, facts, because=request.detail or "")

    def _converted(self, happened: Happened) -> Iterator[Effect]:
        """The goals that entries reached, each with the arms of splits that the entry took."""
        for entry in happened.entries:
            person, rule = happened.persons.get(entry.person_key), self.rules.get(entry.rule)
            if entry.converted_at is None or person is None or rule is None or rule.goal is None:
                continue
            taken = dict(pair.split("=", 1) for pair in (entry.arms or "").split(",") if pair)
            facts = self._facts(person.user_id, entry.converted_at, entry.rule)
            names = frozenset(happened.user_ids.get(entry.person_key, ()))
            yield Effect(
                EffectKind.CONVERTED,
                {"by": rule.goal.event, **facts, "arm": ", ".join(taken.values()) or None},
                aliases={"person": names, "arm": frozenset(taken.values())},
            )

    def _marked(self, happened: Happened) -> Iterator[Effect]:
        """The arms that entries took, and the steps that they left out."""
        for entry in happened.entries:
            person = happened.persons.get(entry.person_key)
            if entry.rule not in self.rules or person is None:
                continue
            names = frozenset(happened.user_ids.get(entry.person_key, ()))
            for mark in entry.trail:
                facts = self._facts(person.user_id, mark.at, entry.rule)
                if mark.kind is MarkKind.STEP_IF:
                    facts |= {"reason": mark.kind, "step": base_of(mark.address), "event": None}
                    because = f"at step {mark.address} ({mark.kind}), since not {mark.detail}"
                    aliases = {"person": names}
                    yield Effect(EffectKind.SKIPPED, facts, because=because, aliases=aliases)
                elif mark.arm is not None:
                    yield self._arm(mark, facts, names, self.rules[entry.rule])

    def _arm(
        self, mark: Mark, facts: dict[str, JsonValue], names: frozenset[str], rule: Rule
    ) -> Effect:
        """An arm goes by its label, of a wait also by its event; a step by its address, or as a split by its name."""
        place = rule.route.place(mark.address)
        address = base_of(mark.address)
        of = place.step.split if place and isinstance(place.step, Split) else address
        labels = {mark.detail} if mark.kind is MarkKind.PASSED and mark.detail else set[str]()
        return Effect(
            EffectKind.ARM,
            {"arm": mark.arm, "of": of, **facts},
            aliases={
                "arm": frozenset(labels),
                "of": frozenset({address, mark.address}),
                "person": names,
            },
        )

    def _sent(self, happened: Happened) -> Iterator[Effect]:
        for stored in happened.messages:
            message = stored.message
            if message.type is MessageType.TRACK and message.depth:
                facts = self._facts(message.user_id, message.timestamp)
                names = frozenset(happened.user_ids.get(stored.owner, ()))
                properties = dict(read_object(body_data(message.type, message.body)))
                yield Effect(
                    EffectKind.TRACKED,
                    {"event": message.name, **facts},
                    properties,
                    aliases={"person": names},
                )


def _exit_steps(happened: Happened) -> dict[_Ending, str]:
    """The address of the exit step at which an entry ended."""
    return {
        (entry.rule, id_in_ref(entry.occasion), entry.ended.at): base_of(entry.address)
        for entry in happened.entries
        if entry.ended is not None and entry.ended.reason == EndReason.STEP
    }


def _cause(decision: Decision) -> str:
    if decision.type is None:
        return "schedule"
    return f"{decision.type} {decision.event}" if decision.event else decision.type


def _known(happened: Happened) -> Iterator[Effect]:
    """What each person has at the end, under each of their user ids."""
    for key, person in happened.persons.items():
        for user_id in happened.user_ids.get(key, [person.user_id]):
            yield Effect(EffectKind.HAS, {"person": user_id}, dict(read_object(person.attributes)))
