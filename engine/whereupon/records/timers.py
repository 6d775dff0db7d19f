"""Timers: when to ask again about a person, since time alone may change something then."""

from datetime import datetime
from typing import NamedTuple


class Timer(NamedTuple):
    """When to ask about one subject of a person again, though no message comes.

    A timer is a lower bound: it is never later than the next moment at which time alone may change the subject for
    the person. It may be earlier. Then nothing has changed, and the timer moves on.

    Attributes:
        subject: what is asked, such as ``when/renewal`` or ``segment/lapsed``.
        due_at: when.
    """

    subject: str
    person_key: int
    due_at: datetime

    @property
    def place(self) -> tuple[int, str]:
        """Its key: the person's, and the subject."""
        return self.person_key, self.subject


class Arming(NamedTuple):
    """That timers of a new or changed subject are made for the people who are there already, chunk by chunk.

    Attributes:
        subject: the subject of the timers.
        digest: names what the subject depends on; with another digest it is armed anew.
        begun_at: from when on its moments count.
        cursor: the key of the last person who was armed; None if it is done.
    """

    subject: str
    digest: str
    begun_at: datetime
    cursor: int | None

    @property
    def place(self) -> tuple[str, str]:
        """Its key: the subject and the digest."""
        return self.subject, self.digest
