"""Which rules a message names, which of them it may satisfy, and what they ask of the past.

Modules, from below: `criteria` (what a rule demands of attributes), `tables` (one attribute's
demands, by value), `pages` and `rolls` (the rules of a name, with their tables), `entry_window` (what
they ask of earlier entries), `index` (a whole rulebook). The cost of a message grows neither with the rules of other names nor, where there are
many of its own, with those that it does not match.
"""

from whereupon.matching.entry_window import EntryWindow
from whereupon.matching.rule_block import Candidate
from whereupon.matching.rule_index import HistoryWindow, RuleIndex, TriggerMatch
from whereupon.matching.rule_list import RuleList, Selected

__all__ = [
    "Candidate",
    "EntryWindow",
    "HistoryWindow",
    "RuleIndex",
    "RuleList",
    "Selected",
    "TriggerMatch",
]
