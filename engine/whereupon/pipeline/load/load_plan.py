"""Whom a batch touches, and what is asked about their past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from whereupon.matching import EntryWindow, HistoryWindow
from whereupon.messages.times import ZERO, earlier
from whereupon.records import Entry, MessageName
from whereupon.runtime.quick_init import quick_init


@quick_init
@dataclass(kw_only=True, slots=True)
class LoadPlan:
    """What a batch touches, found out while it is loaded.

    Attributes:
        has_strangers: whether some user ids of the messages are new.
        due: the entries to wake, where that is all there is to do.
        is_cut: whether their persons may have more that is due, since no more were taken at once.
        wakes: when the entries are due that wake, and the timers that ring.
        quiet: those whose entries only send as they are woken: nothing is decided about them.
        erased_unknown: user ids that are to be erased, though nobody has them yet.
        late: where messages come after their claim: how far back it may have let a person in.
        settled: by anonymous key, up to when earlier messages keep their owners (see `settled_until`). Keys
            without such an instant are left out.
        ever, lately: rules in which earlier entries have a say, for ever or for a time.
        reach: how far back they have it for a time, at most.
        takes_one: see `EntryWindow.takes_one`.
        keyed, unkeyed: rules of which only some keys are asked for, and those of which more is.
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
    erased_unknown: set[str] = field(default_factory=set)
    settled: dict[int, datetime] = field(default_factory=dict)
    ever: set[str] = field(default_factory=set)
    lately: set[str] = field(default_factory=set)
    reach: timedelta = ZERO
    takes_one: set[str] = field(default_factory=set)
    keyed: set[str] = field(default_factory=set)
    unkeyed: set[str] = field(default_factory=set)
    slots: set[str] | None = None
    late_names: set[MessageName] = field(default_factory=set)
    oldest: datetime | None = None
    late: timedelta | None = None
    needs: dict[tuple[int, str], datetime | None] = field(default_factory=dict)
    first: datetime | None = None
    until: datetime | None = None
    again: Sequence[tuple[int, str, bool]] = ()
    kin: Mapping[int, set[int]] = field(default_factory=dict)

    def look_back(self, entry_window: EntryWindow) -> None:
        """Note which earlier entries have a say; of one rule it is always the same."""
        self.ever |= entry_window.ever
        self.lately |= entry_window.lately
        self.reach = max(self.reach, entry_window.reach)
        self.takes_one |= entry_window.takes_one
        self.keyed |= entry_window.keys.keys()
        self.unkeyed |= entry_window.unkeyed

    def is_settled(self, anonymous_key: int, instant: datetime) -> bool:
        """Whether an anonymous message of that instant keeps its owner, whatever the batch claims."""
        settled = self.settled.get(anonymous_key)
        return settled is not None and instant <= settled

    def ask(self, owner: int, watch: HistoryWindow, moment: datetime) -> None:
        """Note what a person's past is asked about, as seen from a moment."""
        for name, span in watch.items():
            since = None if span is None else earlier(moment, span)
            known = self.needs.get((owner, name), since)
            self.needs[owner, name] = None if since is None or known is None else min(since, known)
