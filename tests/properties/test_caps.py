"""Caps against a model of ten lines: random sends, kinds, channels, windows, merges and withdrawals, in any batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples
from tests.rule_files import File, campaign
from tests.stores import Opener
from tests.worlds import after, world

from whereupon.ports import Store
from whereupon.records import DeliveryState

PEOPLE = ("ada", "bob", "eve")


def mail(**more: JsonValue) -> File:
    """A step that sends a mail."""
    return {"send": "email", "subject": "Hello", **more}


TEXT: File = {"send": "sms", "body": "Hello"}
RULES = (
    campaign("mailed", "mail", whereupon=[mail()]),
    campaign("texted", "text", whereupon=[TEXT]),
    campaign("twice", "both", whereupon=[mail(), TEXT, mail()]),
    campaign("receipt", "pay", whereupon=[mail(kind="transactional")]),
    campaign("notice", "alarm", cap="exempt", whereupon=[TEXT]),
    campaign("dropped", "cart", exit="leave", whereupon=[mail(), {"wait": "1d"}, TEXT]),
)
SENDS = {
    "mail": ("email",),
    "text": ("sms",),
    "both": ("email", "sms", "email"),
    "alarm": ("sms",),
    "cart": ("email",),
}
"""The channels of the marketing sends that an event leads to."""


class Did(NamedTuple):
    """What a person did, or into whom another person was merged.

    Attributes:
        minutes: since what was before it; zero may share its batch.
    """

    person: str
    event: str
    minutes: int


class Cap(NamedTuple):
    """A cap of the settings, in minutes."""

    at_most: int
    per: int
    channels: tuple[str, ...] | None

    @property
    def written(self) -> File:
        """As the settings say it."""
        cap: File = {"at_most": self.at_most, "per": f"{self.per}m"}
        return cap if self.channels is None else cap | {"channels": [*self.channels]}


@dataclass
class Model:
    """Who was sent what: every send counts until the window has passed, unless it was withdrawn.

    Attributes:
        sent: the person, channel, time, event and number of each.
        left: the person and number of every leave.
    """

    caps: Sequence[Cap]
    sent: list[tuple[str, str, int, str, int]] = field(default_factory=list)
    left: list[tuple[str, int]] = field(default_factory=list)
    held_back: int = 0
    number: int = 0

    def do(self, did: Did, now: int) -> None:
        """What follows from one message."""
        self.number += 1
        if did.event in PEOPLE:
            self.sent = [(did.event if s[0] == did.person else s[0], *s[1:]) for s in self.sent]
            self.left = [(did.event if who == did.person else who, n) for who, n in self.left]
        if did.event == "leave":
            self.left.append((did.person, self.number))
        self.sent = [
            s
            for s in self.sent
            if s[3] != "cart" or not any(who == s[0] and n > s[4] for who, n in self.left)
        ]
        for channel in SENDS.get(did.event, ()):
            if did.event == "alarm" or self.has_place(did.person, channel, now):
                self.sent.append((did.person, channel, now, did.event, self.number))
            else:
                self.held_back += 1

    def has_place(self, person: str, channel: str, now: int) -> bool:
        """Whether no cap of the channel is full."""
        mine = [(s[1], s[2]) for s in self.sent if s[0] == person]
        return all(
            sum(c in (cap.channels or (c,)) and at > now - cap.per for c, at in mine) < cap.at_most
            for cap in self.caps
            if channel in (cap.channels or (channel,))
        )


caps = st.lists(
    st.builds(
        Cap,
        st.integers(1, 3),
        st.sampled_from([1, 2, 5, 10, 15]),
        st.sampled_from([None, ("email",), ("sms",), ("email", "sms")]),
    ),
    min_size=1,
    max_size=3,
)
happenings = st.lists(
    st.builds(
        Did,
        st.sampled_from(["ada", "ada", *PEOPLE]),
        st.sampled_from([*["mail", "text"] * 4, *SENDS, "pay", "leave", *PEOPLE]),
        st.sampled_from([0, 0, 1, 1, 5, 10]),
    ),
    min_size=8,
    max_size=25,
)


def _wire(did: Did) -> File:
    if did.event in PEOPLE:
        return {"type": "alias", "userId": did.event, "previousId": did.person}
    return {"type": "track", "event": did.event, "userId": did.person}


def _batches(happened: Sequence[Did]) -> list[tuple[int, list[Did]]]:
    """What arrives at one time, together."""
    found: list[tuple[int, list[Did]]] = []
    now = 0
    for did in happened:
        now += did.minutes
        if not found or did.minutes:
            found.append((now, []))
        found[-1][1].append(did)
    return found


def _compared(home: Store, chosen: Sequence[Cap], happened: Sequence[Did]) -> None:
    made = world({"settings": "settings", "cap": [c.written for c in chosen]}, *RULES, store=home)
    model, now_called = Model(chosen), dict(zip(PEOPLE, PEOPLE, strict=True))
    for now, batch in _batches(happened):
        meant = [did for each in batch for did in _meant(each, now_called)]
        made.clock.move_to(after(now))
        made.engine.ingest(list(map(_wire, meant)))
        for did in meant:
            model.do(did, now)
    found = [each for each in made.deliveries() if each.kind == "marketing"]
    pending = [each for each in found if each.state is DeliveryState.PENDING]
    sent = sorted((each.channel, each.due_at) for each in pending)
    assert sent == sorted((channel, after(at)) for _, channel, at, *_ in model.sent)
    assert sum(each.reason == "cap" for each in found) == model.held_back


def _meant(did: Did, now_called: dict[str, str]) -> Iterator[Did]:
    """What somebody did by the name that they have now; nothing for a merge with oneself."""
    person = now_called[did.person]
    if did.event not in PEOPLE:
        yield did._replace(person=person)
    elif (other := now_called[did.event]) != person:
        now_called |= {name: other for name, one in now_called.items() if one == person}
        yield Did(person, other, did.minutes)


@examples(60)
@given(caps, happenings)
def test_caps_hold_as_a_model_of_them_says(
    opener: Opener, chosen: list[Cap], happened: list[Did]
) -> None:
    """What is sent and what is held back is the same, however it is batched and whoever merges, on every store."""
    with opener() as home:
        _compared(home, chosen, happened)


@examples(40)
@given(st.integers(1, 3), st.integers(1, 30), st.lists(st.integers(0, 40), max_size=10))
def test_what_waits_is_sent_at_the_first_moment_at_which_a_place_is_free(
    opener: Opener, at_most: int, per: int, gaps: list[int]
) -> None:
    """The n-th send goes when it is asked for, or when the window of the one before so many has passed."""
    cap: File = Cap(at_most, per, None).written | {"otherwise": {"wait_up_to": "30d"}}
    expected: list[int] = []
    with opener() as home:
        made, now = world({"settings": "settings", "cap": [cap]}, *RULES, store=home), 0
        for gap in gaps:
            now += gap
            made.run(now)
            made.track("mail", "ada", at=now)
            n = len(expected) - at_most
            expected.append(now if n < 0 else max(now, expected[n] + per))
        made.run(now + 10 * per + 1)
        sent = [each.due_at for each in made.deliveries()]
    assert sorted(sent) == list(map(after, expected))
