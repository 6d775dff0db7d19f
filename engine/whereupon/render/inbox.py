"""An item of an inbox, as one line for people and as one JSON object."""

from whereupon.messages.times import format_instant
from whereupon.records import InboxItem
from whereupon.render.formatting import clean, headline
from whereupon.render.records import JsonObject


def inbox_line(item: InboxItem) -> str:
    """The key, state, time, rule and title of an item."""
    state = "unread" if item.read_at is None else f"read {format_instant(item.read_at)}"
    title = headline(item.content)
    parts = (
        item.key,
        format_instant(item.created_at),
        state,
        f"{clean(item.channel)} ({item.rule})",
        f"“{title}”" if title else "",
    )
    return "  ".join(part for part in parts if part)


def inbox_object(item: InboxItem) -> JsonObject:
    """An item with all that it says."""
    return {
        "kind": "inbox",
        "key": item.key,
        "rule": item.rule,
        "channel": item.channel,
        "send_kind": item.kind,
        "topic": item.topic,
        "content": dict(item.content),
        "created_at": format_instant(item.created_at),
        "expires_at": None if item.expires_at is None else format_instant(item.expires_at),
        "read_at": None if item.read_at is None else format_instant(item.read_at),
        "cursor": item.cursor,
    }
