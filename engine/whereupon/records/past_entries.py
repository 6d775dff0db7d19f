"""Earlier entries, as much of them as re-entry needs."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, overload

from whereupon.messages.structs import Frozen
from whereupon.records.entries import INSIDE, Entry


class PastEntry(Frozen, frozen=True):
    """As much of an earlier entry as the verdict on another needs; ``active`` while its person is inside."""

    rule: str
    person_key: int
    timestamp: datetime
    slot: str | None
    active: bool
    occasion: str

    @classmethod
    def of(cls, entry: Entry) -> "PastEntry":
        """The entry as the verdict on another needs it."""
        is_inside, slot = entry.state in INSIDE, entry.slot
        return cls(entry.rule, entry.person_key, entry.timestamp, slot, is_inside, entry.occasion)


_FEW: Final = 8
"""So many entries are looked through one by one."""


class PastEntries(Sequence[PastEntry]):
    """A person's entries in one rule; where they are many, they are indexed by their slots and occasions."""

    __slots__ = ("_active", "_entries", "_places", "_slots")

    _places: dict[str, list[int]] | None
    _slots: dict[str | None, int]

    def __init__(self) -> None:
        self._entries: list[PastEntry] = []
        self._places = None  # as long as they are few
        self._active = 0

    @overload
    def __getitem__(self, place: int) -> PastEntry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[PastEntry]: ...
    def __getitem__(self, place: int | slice) -> PastEntry | Sequence[PastEntry]:
        return self._entries[place]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[PastEntry]:
        return iter(self._entries)

    @property
    def is_any_active(self) -> bool:
        """Whether one of them is running."""
        return self._active > 0

    def has_slot(self, slot: str) -> bool:
        """Whether one of them holds a slot."""
        if self._places is not None:
            return self._slots.get(slot, 0) > 0
        return any(entry.slot == slot for entry in self._entries)

    def append(self, entry: PastEntry) -> None:
        """Add an entry."""
        entries = self._entries
        entries.append(entry)
        if entry.active:
            self._active += 1
        places = self._places
        if places is not None:
            self._index(places, len(entries) - 1, entry)
        elif len(entries) > _FEW:
            places = self._places = {}
            self._slots = {}
            for place, each in enumerate(entries):
                self._index(places, place, each)

    def _index(self, places: dict[str, list[int]], place: int, entry: PastEntry) -> None:
        places.setdefault(entry.occasion, []).append(place)
        self._slots[entry.slot] = self._slots.get(entry.slot, 0) + 1

    def end(self, occasion: str, slot: str | None) -> None:
        """Note that the running entry of an occasion has ended, and which slot it holds from now on."""
        if not self._active:
            return
        entries, places = self._entries, self._places
        for place in range(len(entries)) if places is None else places.get(occasion, ()):
            entry = entries[place]
            if entry.active and entry.occasion == occasion:
                entries[place] = entry.changed(slot=slot, active=False)
                self._active -= 1
                if places is not None:
                    self._slots[entry.slot] -= 1
                    self._slots[slot] = self._slots.get(slot, 0) + 1


def has_slot(past: Sequence[PastEntry], slot: str) -> bool:
    """Whether one of these entries holds a slot."""
    if isinstance(past, PastEntries):
        return past.has_slot(slot)
    return any(entry.slot == slot for entry in past)


def is_any_active(past: Sequence[PastEntry]) -> bool:
    """Whether one of these entries is running."""
    return past.is_any_active if isinstance(past, PastEntries) else any(e.active for e in past)


KEY = "key:"
"""How the slot of a key begins; its JSON follows."""

LOOSE_EDGES = " \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""The characters that keys are trimmed of, without those that JSON escapes."""


class KeysAsked(NamedTuple):
    """Of some rules, only the earlier entries with certain keys are needed.

    Attributes:
        rules: the ids of the rules.
        slots: of these keys, as slots are written now.
    """

    rules: Collection[str]
    slots: Collection[str]

    def concerns(self, rule: str, slot: str | None) -> bool:
        """Whether an entry is needed; an entry whose slot an earlier version may have written otherwise always is."""
        if rule not in self.rules or slot in self.slots:
            return True
        if slot is None or not slot.startswith(KEY):
            return False
        is_text = slot[len(KEY) : len(KEY) + 1] == '"'
        edges = slot[len(KEY) + 1 : len(KEY) + 2], slot[-2:-1]
        is_loose = "\\" in slot or any(edge in LOOSE_EDGES for edge in edges)
        return is_loose or not is_text
