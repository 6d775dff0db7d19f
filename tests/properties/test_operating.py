"""Properties of pausing: whoever is paused and resumed, and when, gets each message once, in order."""

from contextlib import suppress
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.rule_files import book_of
from tests.shop import NOON, news, purchase, thanks

from whereupon import Engine, OperationError
from whereupon.records import Entry, EntryState
from whereupon.scheduling.clocks import FrozenClock

_HOUR = timedelta(hours=1)
_STEPS = [
    {"send": "push", "title": "First"},
    {"wait": "1h"},
    {"send": "push", "title": "Second"},
    {"wait": "1h"},
    {"send": "push", "title": "Third"},
]
_RULES = book_of(thanks(whereupon=_STEPS), news(whereupon=_STEPS))
_PEOPLE = ("ada", "bob")
_OPERATING = st.sampled_from(["entry", "rule", "both", "run"])
_MINUTES = st.sampled_from([0, 1, 30, 59, 60, 61, 240])
acts = st.lists(st.tuples(_OPERATING, _MINUTES), max_size=12)


class _Clinic:
    """Two people inside a campaign and a broadcast, and when each was sent what."""

    def __init__(self) -> None:
        self.clock = FrozenClock(NOON)
        self.engine = Engine.open("memory://", rules=_RULES, clock=self.clock)
        self.sent: list[tuple[str, str, object, datetime]] = []
        self.engine.channel("push")(
            lambda d: self.sent.append((d.rule, d.person, d.content["title"], self.clock.now()))
        )
        self.engine.ingest([purchase(number, name) for number, name in enumerate(_PEOPLE)])
        self.engine.trigger("news", key="june")

    def let_pass(self, minutes: int) -> None:
        """Let time pass, and do what is due."""
        self.clock.move_to(self.clock.now() + timedelta(minutes=minutes))
        self.engine.run_due()

    def turn(self, what: str) -> None:
        """Pause what runs, or resume what is paused."""
        entries, broadcasts = self.engine.entries, self.engine.broadcasts
        if what in {"entry", "both"}:
            for entry in entries.list(rule="thanks", person="ada").entries:
                decide = entries.resume if self._is_paused_itself(entry) else entries.pause
                decide(entry.key, by="tim")
        if what in {"rule", "both"}:
            (entries.resume if entries.pauses() else entries.pause)("thanks", by="tim")
        if what == "run":
            is_paused = broadcasts.show("news", "news:june").run.paused is not None
            with suppress(OperationError):  # it may be over
                (broadcasts.resume if is_paused else broadcasts.pause)("news", by="tim")

    @property
    def halted(self) -> set[tuple[str, str]]:
        """The rules and people that are paused now."""
        halted = {("thanks", "ada")} if self._is_ada_paused() else set[tuple[str, str]]()
        if self.engine.entries.pauses():
            halted |= {("thanks", name) for name in _PEOPLE}
        if self.engine.broadcasts.show("news", "news:june").run.paused is not None:
            halted |= {("news", name) for name in _PEOPLE}
        return halted

    def _is_ada_paused(self) -> bool:
        found = self.engine.entries.list(rule="thanks", person="ada").entries
        return any(map(self._is_paused_itself, found))

    def _is_paused_itself(self, entry: Entry) -> bool:
        """Whether the entry is paused, and not only its rule, which is shown in the same way."""
        with self.engine.store.session() as session:
            (stored,) = session.entries([entry.key])
        return stored.state is EntryState.PAUSED

    def resume_all(self) -> None:
        """Resume whatever is paused, and let everything come to its end."""
        entries, broadcasts = self.engine.entries, self.engine.broadcasts
        if entries.pauses():
            entries.resume("thanks", by="tim")
        for entry in entries.list(rule="thanks", state=EntryState.PAUSED).entries:
            entries.resume(entry.key, by="tim")
        if broadcasts.show("news", "news:june").run.paused is not None:
            broadcasts.resume("news", by="tim")
        for _ in range(4):
            self.let_pass(60)


@given(acts)
def test_whoever_is_paused_and_resumed_gets_each_message_once_in_order(
    done: list[tuple[str, int]],
) -> None:
    """Nothing leaves while it is paused, and what was made first leaves first."""
    clinic = _Clinic()
    with clinic.engine:
        for what, minutes in done:
            clinic.turn(what)
            halted, before = clinic.halted, len(clinic.sent)
            clinic.let_pass(minutes)
            assert not halted & {(rule, person) for rule, person, *_ in clinic.sent[before:]}
        clinic.resume_all()
        assert clinic.engine.entries.counts() == []
        assert clinic.engine.audit.verify() == []
    for rule in ("thanks", "news"):
        for name in _PEOPLE:
            theirs = [(title, at) for r, n, title, at in clinic.sent if (r, n) == (rule, name)]
            assert [title for title, _ in theirs] == ["First", "Second", "Third"]
            times = [at for _, at in theirs]
            assert times == sorted(times)
