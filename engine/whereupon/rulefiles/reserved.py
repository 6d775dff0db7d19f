"""Names that rule files may not use freely: semantic events, and keys kept for later versions."""

from collections.abc import Mapping

ACTION_EVENTS: Mapping[str, tuple[str, ...]] = {
    "Delete Person": ("Delete Person", "User Deleted"),
    "Suppress Person": ("Suppress Person", "User Suppressed"),
    "Unsuppress Person": ("Unsuppress Person", "User Unsuppressed"),
    "Create or Update Device": ("Device Created or Updated",),
    "Delete Device": ("Delete Device", "Device Deleted"),
    "Delete Object": ("Delete Object", "Object Deleted"),
    "Delete Relationship": ("Delete Relationship", "Relationship Deleted"),
    "Report Delivery Event": ("Report Delivery Event",),
    "Report Content Event": ("Report Content Event",),
    "Merge People": (),
}
"""Each action of the registry, and the event names that ask for it."""

SEMANTIC_EVENTS: frozenset[str] = frozenset(
    name for names in ACTION_EVENTS.values() for name in names
)

NOT_YET_RULE_KEYS = frozenset({"goal", "quiet_hours", "cap", "holdout"})
NOT_YET_STEPS = frozenset({"webhook", "run", "wait_for", "branch", "split"})
NOT_YET_GUARD_KEYS = frozenset({"protect", "limit", "approval", "cool_off", "tombstone"})

RECIPIENT_KEYS = frozenset({"to", "cc", "bcc", "recipient", "recipients"})
"""A delivery goes to the person; no rule says otherwise."""

SENDER_KEYS = frozenset({"from", "sender", "reply_to"})
"""A sender is written out; event data never chooses it."""


def action_of(event: str) -> str | None:
    """The action that a semantic event's name asks for; None for an ordinary event."""
    return next((action for action, names in ACTION_EVENTS.items() if event in names), None)
