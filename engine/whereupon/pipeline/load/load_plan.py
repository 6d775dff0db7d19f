"""Whom a batch touches, and what is asked about their past."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from whereupon.matching import EntryWindow, HistoryWindow
from whereupon.messages.structs import Unfrozen, field
from whereupon.messages.times import earlier
from whereupon.records import Entry, MessageName


class LoadPlan(Unfrozen, kw_only=True):
    """What a batch touches, found out while it is loaded.

    Attributes:
        has_strangers: whether some user ids of the messages are new.
        due: the entries to wake, where that is all there is to do.
        is_cut: whether their persons may have more that is due, since no more were taken at once.
        wakes: when the entries are due that wake, and the timers that ring.
        quiet: those whose entries only send as they are woken: nothing is decided about them.
        late: where messages come after their claim: how far back it may have let a person in.
        settled: by anonymous key, up to when earlier messages keep their owners (see `settled_until`). Keys
            without such an instant are left out.
        opened_by_time: the rules that time opens, of which the entries of the very moment are asked for.
        slots: those of the keys that messages ask for; None where it is not known.
        late_names: types and names of the messages that come after they happened, those that claims bring included.
        needs: by owner and event name, from when on the past is asked about (None: all of it).
        first: when the first message arrived.
        until: up to when timers of the persons are asked for; None for none.
        again: what a claim decides once more with its last chunk (see `ClaimJob`).
        kin: who may become one person in the batch, by each of them.
    """

    person_keys: set[int] = field(default_factory=set)
    has_strangers: bool = False
    due: list[Entry] | None = None
    is_cut: bool = False
    wakes: list[datetime] = field(default_factory=list)
    quiet: set[int] = field(default_factory=set)
    settled: dict[int, datetime] = field(default_factory=dict)
    opened_by_time: set[str] = field(default_factory=set)
    slots: set[str] | None = None
    late_names: set[MessageName] = field(default_factory=set)
    oldest: datetime | None = None
    late: timedelta | None = None
    needs: dict[tuple[int, str], datetime | None] = field(default_factory=dict)
    first: datetime | None = None
    until: datetime | None = None
    again: Sequence[tuple[int, str, bool]] = ()
    kin: Mapping[int, set[int]] = field(default_factory=dict)
    _windows: dict[int, EntryWindow] = field(default_factory=dict)

    def look_back(self, *entry_windows: EntryWindow) -> None:
        """Note which earlier entries have a say. Many messages note the same window, which counts once."""
        self._windows.update({id(each): each for each in entry_windows})

    @property
    def entry_window(self) -> EntryWindow | None:
        """Which earlier entries have a say; None if none have."""
        return EntryWindow.union(self._windows.values()) if self._windows else None

    def is_settled(self, anonymous_key: int, instant: datetime) -> bool:
        """Whether an anonymous message of that instant keeps its owner, whatever the batch claims."""
        settled = self.settled.get(anonymous_key)
        return settled is not None and instant <= settled

    def ask(self, owner: int, watch: HistoryWindow, moment: datetime) -> None:
        """Note what a person's past is asked about, as seen from a moment."""
        needs = self.needs
        for name, span in watch.items():
            place = owner, name
            if span is None:
                needs[place] = None
                continue
            since = earlier(moment, span) if span else moment
            known = needs.get(place, since)
            if known is not None and since <= known:
                needs[place] = since
