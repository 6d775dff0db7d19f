"""The rules that each name of a message triggers: exactly or by prefix, and so the rule list of the name."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from whereupon.matching.rule_list import RuleList
from whereupon.messages.model import MessageType
from whereupon.records import MessageName
from whereupon.rules.model import OnMessage, Rule

_ByName: TypeAlias = Mapping[MessageName, Mapping[str, Rule]]
"""Rules by their ids, by name or prefix of names."""

_Key: TypeAlias = tuple[MessageType, str | None, tuple[str, ...]]
"""What makes two names have the same rules: the name, if a rule has exactly that name, and the prefixes."""


@dataclass(frozen=True, slots=True)
class TriggerIndex:
    """The rules of a rulebook by the names that trigger them. A rule list is made when its name is first met.

    Attributes:
        rule_lists: those made so far.
    """

    exact: _ByName
    prefixed: _ByName
    rule_lists: dict[_Key, RuleList] = field(default_factory=dict, compare=False)
    _earlier: Mapping[_Key, RuleList] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, rules: Sequence[Rule], earlier: "TriggerIndex | None" = None) -> "TriggerIndex":
        """The index of these rules.

        Args:
            earlier: of another rulebook; what the two have in common is shared (see `RuleList.of`).
        """
        known = {} if earlier is None else dict(earlier.rule_lists)
        exact: dict[MessageName, dict[str, Rule]] = defaultdict(dict)
        prefixed: dict[MessageName, dict[str, Rule]] = defaultdict(dict)
        for rule in rules:
            for trigger in rule.triggers:
                if isinstance(trigger, OnMessage):
                    for name in trigger.names:
                        exact[trigger.type, name][rule.id] = rule
                    for prefix in trigger.prefixes:
                        prefixed[trigger.type, prefix][rule.id] = rule
        return cls(dict(exact), dict(prefixed), _earlier=known)

    def rule_list_for(self, type_: MessageType, name: str) -> RuleList:
        """The rules whose `when` names such a message, in the order in which they go.

        Names that the same prefixes match, and that no rule has exactly, share one list.
        """
        exact = self.exact.get((type_, name), {})
        matched = tuple(
            prefix for of, prefix in self.prefixed if of is type_ and name.startswith(prefix)
        )
        key = (type_, name if exact else None, matched)
        rule_list = self.rule_lists.get(key)
        if rule_list is None:
            found = {rule.id: rule for p in matched for rule in self.prefixed[type_, p].values()}
            rules = sorted({**found, **exact}.values(), key=lambda rule: rule.precedence)
            rule_list = RuleList.of(rules, earlier=self._earlier.get(key))
            self.rule_lists[key] = rule_list
        return rule_list
