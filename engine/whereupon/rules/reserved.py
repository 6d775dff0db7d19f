"""Names that rule files may not use freely: semantic events."""

from collections.abc import Mapping

from whereupon.messages.semantic_events import BUILT_IN

ACTION_EVENTS: Mapping[str, tuple[str, ...]] = {
    str(action.name): action.events for action in BUILT_IN
}
"""Each built-in action, and the event names that ask for it."""


def action_of(event: str) -> str | None:
    """The action that a semantic event's name asks for; None for an ordinary event."""
    return next((action for action, names in ACTION_EVENTS.items() if event in names), None)
