"""Whether the messages of a few calls may open a rule at all; mostly they open none, and then no earlier entry has a say."""

from collections.abc import Sequence
from typing import Final

from whereupon.decide import Settings, Snapshot
from whereupon.matching import RuleIndex, RuleSelection
from whereupon.messages.model import Message
from whereupon.pipeline.load.batch_keys import BatchKeys
from whereupon.pipeline.load.load_plan import LoadPlan
from whereupon.records import Person

_FEW: Final = 8
"""The most messages that are looked at, as of eight threads: of many more, some open a rule, and one question is asked
about all of them."""


def may_open(
    loaded: Snapshot,
    load_plan: LoadPlan,
    mentioned: BatchKeys,
    messages: Sequence[Message],
    index: RuleIndex,
    settings: Settings,
) -> bool:
    """Whether messages may open a rule, or do anything else that asks about earlier entries.

    They do not if each of them is plain (see `TriggerMatch.is_plain`), is a known person's, and has no candidate among
    the rules, and if nothing but these messages is decided.
    """
    if not 0 < len(messages) <= _FEW or index.timed or index.gives_grace:
        return True
    if mentioned.anonymous_ids or load_plan.has_strangers or load_plan.wakes:
        return True
    if loaded.active or loaded.ended or loaded.deliveries or loaded.again:
        return True
    action_for, matches = settings.registry.action_for, mentioned.matches
    for message in messages:
        match = matches[message.type, message.name]
        person = loaded.persons.get(loaded.users.get(message.user_id or "", 0))
        if person is None or not match.is_plain or action_for(message.name) is not None:
            return True
        if match.rules.selected and _has_candidate(match.rules, message, person):
            return True
    return False


def _has_candidate(rules: RuleSelection, message: Message, person: Person) -> bool:
    try:
        return bool(rules.plain_candidates(message, message.properties, person))
    except Exception:  # noqa: BLE001 - deciding meets it too, and says in which message
        return True
