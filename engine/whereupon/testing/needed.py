"""The part of a folder that a test needs: the rules that it is about, and what their steps can set off."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from whereupon.matching import RuleIndex
from whereupon.messages.model import MessageType
from whereupon.rules.model import OnSegment, Rule, Rulebook


class NeededRules:
    """Says which rules the tests of a rule are run with.

    A step sets off a rule if it sends a message by which people enter it, or if it may move a person into
    the rule's segment or out of it, or if it may set the date that the rule goes by. Segments, guards, events and settings are always there.
    """

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        self._index = RuleIndex(book)
        self._books: dict[frozenset[str], Rulebook] = {}

    def book_for(self, ids: Iterable[str]) -> Rulebook:
        """The rulebook of these rules and of all that they can set off, in the folder's order."""
        named = frozenset(ids)
        found = self._books.get(named)
        if found is None:
            needed = self._needed(named)
            rules = tuple(rule for rule in self._book.rules if rule.id in needed)
            found = self._books[named] = replace(self._book, rules=rules)
        return found

    def _needed(self, named: Iterable[str]) -> Mapping[str, Rule]:
        found: dict[str, Rule] = {}
        ahead = [rule for each in named if (rule := self._index.by_id.get(each)) is not None]
        while ahead:
            rule = ahead.pop()
            if rule.id not in found:
                found[rule.id] = rule
                ahead += self._set_off_by(rule)
        return found

    def _set_off_by(self, rule: Rule) -> Iterator[Rule]:
        for message in rule.messages_sent:
            yield from self._index.triggered_by(*message)
        names = {name for step in rule.route.every_step() for name in step.attributes_set}
        changed = {f"person.{name}" for name in names}
        sent = {name for type_, name in rule.messages_sent if type_ is MessageType.TRACK}
        for each in self._index.on_segment:
            if any(
                isinstance(trigger, OnSegment) and self._moves(trigger.segment, changed, sent)
                for trigger in each.triggers
            ):
                yield each
        for subject in self._index.timed.triggers:
            if subject.reads(names):
                yield from subject.rules

    def _moves(self, segment: str, changed: set[str], sent: set[str]) -> bool:
        """Whether a change of these attributes, or one of these events, may change who is in the segment."""
        if segment not in self._book.segments:
            return False
        who = self._book.segments[segment].who
        return bool(who.variables & changed) or any(p.event in sent for p in who.performed)
