"""Which rules each name has: exactly, by prefix, and so the roll that a message is put to."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from whereupon.matching.rule_list import RuleList
from whereupon.messages.model import MessageType
from whereupon.rules.model import OnMessage, Rule

Name: TypeAlias = tuple[MessageType, str]
Named: TypeAlias = Mapping[Name, Mapping[str, Rule]]
"""Rules by their ids, by a name or a prefix of names."""

_Key: TypeAlias = tuple[MessageType, str | None, tuple[str, ...]]
"""What a name is to the rules: the name itself, where any rule has it, and the prefixes it has."""


@dataclass(frozen=True, slots=True)
class TriggerIndex:
    """The rules of a rulebook by what names them. Rolls are made when a name is first seen.

    Attributes:
        places: the order of the rules that prefixes name.
    """

    exact: Named
    prefixed: Named
    places: Mapping[str, int]
    _rolls: dict[_Key, RuleList] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> "TriggerIndex":
        """The trigger_index of these rules, in their order."""
        places = {rule.id: place for place, rule in enumerate(rules)}
        return cls(_by(_names, rules), _by(_prefixes, rules), places)

    def rule_list_for(self, type_: MessageType, name: str) -> RuleList:
        """The rules whose `when` names such a message; those that have the name itself stand first.

        Names that the same prefixes mean, and nothing else, share a roll.
        """
        exact = self.exact.get((type_, name), {})
        meant = tuple(
            prefix for of, prefix in self.prefixed if of is type_ and name.startswith(prefix)
        )
        key = (type_, name if exact else None, meant)
        roll = self._rolls.get(key)
        if roll is None:
            found = {rule.id: rule for p in meant for rule in self.prefixed[type_, p].values()}
            ordered = sorted(found.values(), key=lambda rule: self.places[rule.id])
            rules = [*exact.values(), *(rule for rule in ordered if rule.id not in exact)]
            roll = self._rolls[key] = RuleList.of(rules)
        return roll

    def changed(self, old: Rule | None, new: Rule | None) -> "TriggerIndex":
        """One rule in the place of another of its id, behind all others, or gone.

        Rolls that neither version is on are shared, and of the others all pages but the rule's own.
        """
        places = dict(self.places)
        if new is not None:
            places.setdefault(new.id, 1 + max(places.values(), default=0))
        rolls = {key: _changed_roll(key, roll, old, new) for key, roll in self._rolls.items()}
        exact = _changed(self.exact, _names, old, new)
        return TriggerIndex(exact, _changed(self.prefixed, _prefixes, old, new), places, rolls)


def _names(rule: Rule) -> list[Name]:
    on = [trigger for trigger in rule.triggers if isinstance(trigger, OnMessage)]
    return list(dict.fromkeys((trigger.type, name) for trigger in on for name in trigger.names))


def _prefixes(rule: Rule) -> list[Name]:
    on = [trigger for trigger in rule.triggers if isinstance(trigger, OnMessage)]
    return list(dict.fromkeys((trigger.type, p) for trigger in on for p in trigger.prefixes))


def _by(keys_of: Callable[[Rule], Iterable[Name]], rules: Iterable[Rule]) -> Named:
    named: dict[Name, dict[str, Rule]] = defaultdict(dict)
    for rule in rules:
        for key in keys_of(rule):
            named[key][rule.id] = rule
    return dict(named)


def _changed(
    named: Named, keys_of: Callable[[Rule], Sequence[Name]], old: Rule | None, new: Rule | None
) -> Named:
    """With one rule changed; what names neither version is shared."""
    changed = dict(named)
    wanted = keys_of(new) if new is not None else ()
    for key in keys_of(old) if old is not None else ():
        if key not in wanted:
            kept = {rule_id: rule for rule_id, rule in changed[key].items() if rule is not old}
            changed[key] = kept
            if not kept:
                del changed[key]
    if new is not None:
        changed |= {key: {**changed.get(key, {}), new.id: new} for key in wanted}
    return changed


def _changed_roll(key: _Key, roll: RuleList, old: Rule | None, new: Rule | None) -> RuleList:
    if new is not None and _is_meant(key, new):
        return roll.with_rule(new)
    return roll.without(old.id) if old is not None and _is_meant(key, old) else roll


def _is_meant(key: _Key, rule: Rule) -> bool:
    type_, name, prefixes = key
    by_prefix = any((type_, prefix) in _prefixes(rule) for prefix in prefixes)
    return by_prefix or (name is not None and (type_, name) in _names(rule))
