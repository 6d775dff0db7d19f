"""The inbox: the calls by which a host shows it, and the one by which a channel fills it."""

from datetime import timedelta

from whereupon.api.parts import EngineParts
from whereupon.records import Delivery, InboxItem


class InboxCalls(EngineParts):
    """The calls about the inboxes of persons (see `whereupon.channels.Inbox`)."""

    def inbox(
        self, person: str, *, unread: bool = False, limit: int = 50, before: str | None = None
    ) -> list[InboxItem]:
        """What is in a person's inbox and has not expired, newest first.

        Args:
            person: one of the person's user ids. The inbox of an unknown one is empty.
            unread: whether to leave out what is read.
            limit: the most items to return.
            before: the `cursor` of the last item of the page before.

        Raises:
            ValueError: ``limit`` is less than 1, or ``before`` is no cursor.
        """
        return self._inboxes.items(person, unread=unread, limit=limit, before=before)

    def unread(self, person: str) -> int:
        """How many items of a person's inbox are unread and have not expired; 0 for an unknown user id."""
        return self._inboxes.count_unread(person)

    def mark_read(self, person: str, key: str) -> bool:
        """Mark an item of a person's inbox as read; returns whether it was unread.

        Args:
            person: one of the person's user ids.
            key: the `key` of the item.

        Raises:
            UnknownNameError: the person has no item of that key; another person may have it.
        """
        self._check_open()
        return self._inboxes.mark_read(person, key) is not None

    def mark_all_read(self, person: str) -> int:
        """Mark all of a person's inbox as read; returns how many items were unread."""
        self._check_open()
        total = 0
        while read := self._inboxes.mark_some_read(person):
            total += len(read)
        return total

    def put_in_inbox(self, delivery: Delivery, *, expires: timedelta | None, keep: int) -> bool:
        """Put a delivery into its person's inbox; for channels (see `ChannelHost.put_in_inbox`)."""
        return self._inboxes.put(delivery, expires=expires, keep=keep)
