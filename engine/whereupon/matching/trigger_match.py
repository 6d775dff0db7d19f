"""What an index says of the messages of one name: which rules they trigger, and what is asked of the past for that."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from whereupon.matching.entry_window import EntryWindow
from whereupon.matching.history_window import HistoryWindow
from whereupon.matching.rule_list import RuleSelection
from whereupon.rules.model import Rule

PLAIN_ROOTS: Final = frozenset({"event", "person", "properties", "type"})
"""What conditions may read of a message that is decided without an `Evaluation`, by the names at the root of the data."""


@dataclass(frozen=True, slots=True)
class TriggerMatch:
    """What messages of one type and name do to the rules of a rulebook.

    Attributes:
        rules: campaigns and broadcasts whose `when` names the messages, by `Rule.precedence`.
        campaigns, broadcasts: the rules of each kind.
        take_one_rules: the rules that take only the first or the last of the messages that a claim brings.
        is_unused: whether no rule uses the messages; they are recorded only.
        is_plain: whether the messages do nothing but open these rules, each by the message's properties and the
            person's attributes. Nothing else hears them but the silences that they break, which are told of each
            message as it is recorded.
        claimed_within: how old a claimed message may be to have any effect; None for any age, less than
            zero if no claimed message has any.
        history_window: the past events that may be needed.
        entry_window: the earlier entries that may be needed.
    """

    rules: RuleSelection
    campaigns: RuleSelection
    broadcasts: RuleSelection
    take_one_rules: tuple[Rule, ...]
    is_unused: bool
    is_plain: bool
    claimed_within: timedelta | None
    history_window: HistoryWindow
    entry_window: EntryWindow


class Reachable(NamedTuple):
    """What a rule and the rules that its steps may trigger need together.

    Attributes:
        history_window: past events.
        entry_window: earlier entries, for the rules in the rulebook's versions.
    """

    history_window: HistoryWindow
    entry_window: EntryWindow
