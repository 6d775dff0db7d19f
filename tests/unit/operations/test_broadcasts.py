"""Broadcasts to people whom the call names."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from tests.rule_files import book_of
from tests.shop import NOON, news, purchase

from whereupon import Engine, OperationError, UnknownNameError
from whereupon.operations.broadcasts import MOST_PEOPLE
from whereupon.records import DeliveryState
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock

_HELLO = book_of(
    news(
        who={"logic": {"!=": [{"var": "person.plan"}, "free"]}},
        whereupon=[{"send": "email", "subject": "{{ properties.code | default: 'none' }}"}],
    )
)


def _opened(place: str, rules: Rulebook = _HELLO) -> Engine:
    engine = Engine.open(place, rules=rules, clock=FrozenClock(NOON))
    for name in ("ada", "bob", "cho"):
        engine.identify(name, traits={"plan": "free" if name == "cho" else "pro"})
    return engine


@pytest.fixture
def engine(place: str) -> Iterator[Engine]:
    """An engine with three people, on each kind of store."""
    with _opened(place) as engine:
        yield engine


def _subjects(engine: Engine) -> dict[str, object]:
    return {each.person: each.content["subject"] for each in engine.deliveries()}


def test_a_call_that_names_people_answers_with_their_deliveries(engine: Engine) -> None:
    """They are made in the call's own transaction; other people get nothing, whatever `who` says."""
    done = engine.trigger("news", people=["ada"], properties={"code": 7}, key="june")
    (delivery,) = done.deliveries["ada"]
    assert (done.run, done.is_new) == ("news:june", True)
    assert engine.deliveries() == [delivery]
    assert (delivery.state, delivery.content) == (DeliveryState.PENDING, {"subject": "7"})
    assert engine.run_due().decisions[:] == []
    assert [(run.admitted, run.cursor, run.reason) for run in engine.runs("news")] == [
        (1, None, "named")
    ]


def test_people_who_are_unknown_or_not_meant_are_named_in_the_answer(engine: Engine) -> None:
    """Nobody is created by a name, and the file's `who` holds for the people of a call, too."""
    done = engine.trigger("news", people=["ada", "nobody", "cho"])
    assert list(done.deliveries) == ["ada"]
    assert (done.unknown, done.excluded) == (("nobody",), ("cho",))
    with pytest.raises(UnknownNameError):
        engine.identity("nobody")


def test_each_person_may_have_properties_of_their_own(engine: Engine) -> None:
    """They come over those of the call, which everybody else of the call sees."""
    own = {"bob": {"code": "B", "price": 3}}
    engine.trigger("news", people=["ada", "bob"], per_person=own, properties={"code": "all"})
    assert _subjects(engine) == {"ada": "all", "bob": "B"}
    done = engine.trigger("news", per_person={"ada": {"code": "A"}, "nobody": {}})
    assert [each.content["subject"] for each in done.deliveries["ada"]] == ["A"]
    assert done.unknown == ("nobody",)


def test_recipients_carry_an_audience_and_per_person_data_and_unknown_ids_are_reported(
    engine: Engine,
) -> None:
    """In one list; ids that nobody has are never created."""
    people = [{"user_id": "ada", "code": "A1"}, {"user_id": "bob"}, {"user_id": "zoe", "code": "Z"}]
    done = engine.trigger("news", recipients=people, properties={"code": "all"})
    assert _subjects(engine) == {"ada": "A1", "bob": "all"}
    assert done.unknown == ("zoe",)
    with engine.store.session() as session:
        assert session.identifiers(["zoe"], ()) == []


@pytest.mark.parametrize(
    ("recipients", "code"),
    [
        ([{"code": "A1"}], "bad-recipient"), ([{"user_id": ""}], "bad-recipient"), (["ada"], "bad-recipient"),
        ([{"user_id": True}], "bad-recipient"), ([{"user_id": "ada"}, {"user_id": "ada"}], "named-twice"), ([], "no-people"),
    ],
)  # fmt: skip
def test_recipients_that_are_wrong_start_nothing(recipients: list[Any], code: str) -> None:
    """The error says which one it is."""
    with _opened("memory://") as engine:
        with pytest.raises(OperationError) as refused:
            engine.trigger("news", recipients=recipients)
        assert refused.value.code == code
        assert engine.runs("news") == []
        with pytest.raises(TypeError, match="leave out"):
            engine.trigger("news", recipients=[{"user_id": "ada"}], people=["ada"])


def test_a_recipient_may_have_a_number_for_an_id(engine: Engine) -> None:
    """As in a message."""
    engine.identify("1001")
    assert set(engine.trigger("news", recipients=[{"user_id": 1001}]).deliveries) == {"1001"}


def test_a_second_call_with_the_key_sends_nothing_and_answers_the_same(engine: Engine) -> None:
    """A caller who does not know whether the call succeeded may call again."""
    first = engine.trigger("news", people=["ada", "nobody"], key="june")
    again = engine.trigger("news", people=["ada", "nobody", "bob"], key="june")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.deliveries == first.deliveries
    assert (again.unknown, again.excluded) == (("nobody",), ("bob",))
    assert len(engine.deliveries()) == 1


def test_two_ids_of_one_person_are_one_person(engine: Engine) -> None:
    """Each of the ids answers with the same delivery."""
    engine.alias("ada", previous_id="bob")
    done = engine.trigger("news", people=["bob", "ada"], key="june")
    (delivery,) = engine.deliveries()
    assert done.deliveries == {"bob": (delivery,), "ada": (delivery,)}
    assert engine.trigger("news", people=["ada"], key="june").deliveries == {"ada": (delivery,)}


def test_what_is_withheld_is_among_the_deliveries_with_its_reason(engine: Engine) -> None:
    """A person who is unsubscribed is sent nothing, and the caller learns it at once."""
    engine.identify("ada", traits={"unsubscribed": True})
    (delivery,) = engine.trigger("news", people=["ada"]).deliveries["ada"]
    assert (delivery.state, delivery.reason) == (DeliveryState.WITHHELD, "unsubscribed")


def test_nothing_of_a_call_is_left_when_its_people_are_erased(engine: Engine) -> None:
    """What a call says of a person stands in the person's own records alone."""
    engine.trigger("news", people=["ada"], properties={"code": "xyzzy-secret"}, key="june")
    engine.track("Delete Person", user_id="ada")
    assert engine.deliveries() == []
    assert [run.facts["properties"] for run in engine.runs("news")] == [{}]
    assert not engine.trigger("news", people=["ada"], key="june").is_new


@pytest.mark.parametrize(
    ("people", "own", "code"),
    [
        ([], None, "no-people"),
        (None, {}, "no-people"),
        ([str(number) for number in range(MOST_PEOPLE + 1)], None, "too-many-people"),
        (["ada"], {"bob": {}}, "not-named"),
    ],
)
def test_a_call_that_names_people_wrongly_starts_nothing(
    people: list[str] | None, own: dict[str, dict[str, object]] | None, code: str
) -> None:
    """The error says what to change, and the key is not used up."""
    with _opened("memory://") as engine:
        with pytest.raises(OperationError) as caught:
            engine.trigger("news", people=people, per_person=own, key="june")
        assert caught.value.code == code
        assert engine.runs("news") == []


def test_one_user_id_instead_of_a_list_is_not_taken_apart() -> None:
    """Else its letters would be taken as user ids."""
    with _opened("memory://") as engine, pytest.raises(TypeError, match="list of user ids"):
        engine.trigger("news", people="ada")


def test_a_broadcast_that_is_switched_off_refuses_people() -> None:
    """A caller who waits for the delivery's id gets an answer instead of silence."""
    with _opened("memory://", book_of(news(active=False))) as engine:
        with pytest.raises(OperationError) as caught:
            engine.trigger("news", people=["ada"])
        assert caught.value.code == "inactive"


def test_the_hosts_transaction_decides_whether_people_are_sent_anything(tmp_path: Path) -> None:
    """What was rolled back was never sent, and the key is free again."""
    database = create_engine(f"sqlite:///{tmp_path}/shop.db")
    with Engine.open(database, rules=book_of(news()), clock=FrozenClock(NOON)) as engine:
        engine.identify("ada")
        with database.connect() as connection:
            engine.trigger("news", people=["ada"], key="june", connection=connection)
            connection.rollback()
        assert (engine.deliveries(), engine.runs("news")) == ([], [])
        with database.begin() as connection:
            done = engine.trigger("news", people=["ada"], key="june", connection=connection)
        assert engine.deliveries() == [*done.deliveries["ada"]]


def test_ten_thousand_people_are_let_in_by_one_call(engine: Engine) -> None:
    """All of them or, if the process dies, nobody; a second call then begins again."""
    names = [f"user-{number}" for number in range(MOST_PEOPLE)]
    engine.take([])
    for begun in range(0, MOST_PEOPLE, 2_000):
        engine.ingest(
            [{"type": "identify", "userId": name} for name in names[begun : begun + 2_000]]
        )
    done = engine.trigger("news", people=names, key="june")
    assert len(done.deliveries) == sum(map(len, done.deliveries.values())) == MOST_PEOPLE
    assert [run.admitted for run in engine.runs("news")] == [MOST_PEOPLE]


def test_calls_with_one_key_at_once_start_one_run(database: str) -> None:
    """Several processes may make the same call; one starts the run, for its own people."""
    with _opened(database) as first, _opened(database) as second:

        def call(number: int) -> bool:
            engine = (first, second)[number % 2]
            names = ["ada"] if number % 3 else ["bob"]
            return engine.trigger("news", people=names, key="june").is_new

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(call, range(24))) == 1
        assert len(first.deliveries()) == 1


def test_explain_says_that_a_call_named_others(engine: Engine) -> None:
    """A run to named people had no audience that a person could have been in."""
    engine.trigger("news", people=["ada"], key="june")
    (explained,) = engine.explain("bob", "news")
    assert explained.reason == "not-named"
    assert "people whom the call named" in explained.sentence


# --- runs, operated -----------------------------------------------------------------------------------

_WAITING = news(
    whereupon=[
        {"send": "email", "subject": "First"},
        {"wait": "1h"},
        {"send": "email", "subject": "Second"},
    ]
)


class Newsroom:
    """An engine with a broadcast of two mails, an hour apart, five people, and what it sent."""

    def __init__(self, place: str, rule: dict[str, object] | None = None) -> None:
        self.clock = FrozenClock(NOON)
        rules = book_of(_WAITING if rule is None else rule)
        self.engine = Engine.open(place, rules=rules, clock=self.clock)
        self.sent: list[str] = []
        self.engine.ingest([{"type": "identify", "userId": name} for name in "abcde"])

    def send(self) -> None:
        """Have a channel that notes what it sends."""
        self.engine.channel("email")(
            lambda d: self.sent.append(f"{d.person} {d.content['subject']}")
        )

    def later(self, time: timedelta = timedelta(0)) -> list[str]:
        """Let time pass and do what is due; returns what was sent since the last time, sorted."""
        self.clock.move_to(self.clock.now() + time)
        self.engine.run_due()
        sent, self.sent = sorted(self.sent), []
        return sent


@pytest.fixture
def room(place: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Newsroom]:
    """The newsroom on each kind of store, with chunks of two people."""
    monkeypatch.setattr("whereupon.pipeline.audience_rounds.AUDIENCE_CHUNK", 2)
    monkeypatch.setattr("whereupon.pipeline.sweeps.SWEEP_CHUNK", 2)
    room = Newsroom(place)
    with room.engine:
        yield room


def _step(room: Newsroom) -> None:
    """One transaction of due work."""
    next(room.engine.wake(room.clock.now()))


_FIRST, _SECOND = [f"{name} First" for name in "abcde"], [f"{name} Second" for name in "abcde"]


def test_a_paused_run_stands_still_and_goes_on_late(room: Newsroom) -> None:
    """Nobody more is let in, who was let in waits, and what is in the outbox stays there, until it is resumed."""
    room.engine.trigger("news", key="june")
    _step(room)
    paused = room.engine.broadcasts.pause("news", by="tim")
    assert paused.state_at(NOON) == "paused"
    assert room.engine.broadcasts.pause("news", by="kim") == paused
    room.send()
    assert room.later(timedelta(hours=3)) == []
    progress = room.engine.broadcasts.show("news", "news:june")
    assert (progress.run.admitted, progress.waiting) == (2, 2)
    assert {each.state for each in room.engine.deliveries()} == {DeliveryState.PAUSED}
    assert {c.state for c in room.engine.entries.counts("news")} == {"paused"}
    room.engine.broadcasts.resume("news", by="kim")
    first = room.later()
    assert sorted([*first, *room.later(timedelta(hours=1))]) == sorted(_FIRST + _SECOND)
    assert [row.facts["kind"] for row in room.engine.audit.rows()] == ["run-paused", "run-resumed"]
    assert room.engine.audit.verify() == []


def test_a_cancelled_run_sends_nothing_more(room: Newsroom) -> None:
    """What was delivered stays; who is inside is let out, and what waits is withdrawn, chunk by chunk."""
    room.engine.trigger("news", key="june")
    room.send()
    assert room.later() == _FIRST
    cancelled = room.engine.broadcasts.cancel("news", by="tim")
    assert cancelled.state_at(room.clock.now()) == "cancelled"
    assert room.later(timedelta(hours=2)) == []
    assert room.engine.entries.counts() == []
    assert {each.state for each in room.engine.deliveries()} == {DeliveryState.SENT}
    assert room.engine.broadcasts.show("news", "news:june").run.sweep is None
    (explained,) = room.engine.explain("a", "news")
    assert "since its broadcast was cancelled" in explained.sentence
    with pytest.raises(OperationError, match="cancelled"):
        room.engine.broadcasts.resume("news", by="tim", run="news:june")
    assert not room.engine.trigger("news", key="june").is_new


def test_a_run_is_cancelled_while_its_audience_is_let_in(room: Newsroom) -> None:
    """Who had no turn yet gets nothing, and explain says why."""
    room.engine.trigger("news", key="june")
    _step(room)
    room.engine.broadcasts.cancel("news", by="tim")
    room.send()
    assert room.later(timedelta(hours=2)) == []
    states = {(each.state, each.reason) for each in room.engine.deliveries()}
    assert states == {(DeliveryState.WITHHELD, "withdrawn")}
    (explained,) = room.engine.explain("e", "news")
    assert explained.reason == "cancelled"


def test_a_run_whose_audience_is_done_is_paused_by_its_outbox(room: Newsroom) -> None:
    """A newsletter has let everybody in within seconds, and goes out for hours."""
    room.engine.trigger("news", key="june")
    room.engine.run_due()
    assert room.engine.broadcasts.show("news", "news:june").run.state_at(NOON) == "done"
    room.engine.broadcasts.pause("news", by="tim")
    room.send()
    assert room.later(timedelta(hours=3)) == []
    room.engine.broadcasts.resume("news", by="tim")
    assert room.later() == sorted(_FIRST + _SECOND)


def test_what_is_over_cannot_be_paused_and_what_is_unclear_is_asked(room: Newsroom) -> None:
    """Each error says what stands in the way."""
    broadcasts = room.engine.broadcasts
    with pytest.raises(UnknownNameError, match="broadcast"):
        broadcasts.pause("nws", by="tim")
    room.send()
    room.engine.trigger("news", key="june")
    room.later()
    room.later(timedelta(hours=1))
    for run in (None, "news:june"):
        with pytest.raises(OperationError, match="done"):
            broadcasts.pause("news", by="tim", run=run)
    with pytest.raises(OperationError, match="not-paused"):
        broadcasts.resume("news", by="tim")
    with pytest.raises(UnknownNameError, match="run of news"):
        broadcasts.cancel("news", by="tim", run="news:may")
    with pytest.raises(OperationError, match="no-actor"):
        broadcasts.cancel("news", by=" ")
    room.engine.trigger("news", key="july")
    room.engine.trigger("news", key="august")
    with pytest.raises(OperationError, match="say which of news:july, news:august"):
        broadcasts.cancel("news", by="tim")
    assert broadcasts.cancel("news", by="tim", run="news:july").is_cancelled


def test_runs_are_listed_newest_first_page_after_page(room: Newsroom) -> None:
    """Each once, of one broadcast or of all."""
    for key in ("may", "june", "july"):
        room.engine.trigger("news", key=key)
        room.clock.move_to(room.clock.now() + timedelta(hours=1))
    for name in (None, "news"):
        page = room.engine.broadcasts.list(name, limit=2)
        assert [run.occasion for run in page.runs] == ["news:july", "news:june"]
        last = room.engine.broadcasts.list(name, limit=2, before=page.next)
        assert [run.occasion for run in last.runs] == ["news:may"]
        assert last.next is None
    assert len(room.engine.broadcasts.unfinished()) == 3


def test_a_planned_run_is_cancelled_and_the_next_time_is_planned(place: str) -> None:
    """One Monday is left out; the time does not come back when the file changes."""
    rule = {**_WAITING, "when": {"cron": "0 13 * * *"}}
    room = Newsroom(place, rule)
    with room.engine:
        (planned,) = room.engine.broadcasts.unfinished()
        room.engine.broadcasts.cancel("news", by="tim", run=planned.occasion)
        room.engine.reload(book_of({**rule, "description": "Another sentence."}))
        room.send()
        assert room.later(timedelta(hours=2)) == []
        (following,) = room.engine.broadcasts.unfinished()
        assert following.due_at == planned.due_at + timedelta(days=1)
        assert room.later(timedelta(hours=24)) == _FIRST


def test_a_planned_run_that_is_paused_goes_out_late(place: str) -> None:
    """It keeps its time until it is resumed, and then runs, if it is not later than its `late`."""
    room = Newsroom(place, {**_WAITING, "when": {"cron": "0 13 * * *", "late": "6h"}})
    with room.engine:
        (planned,) = room.engine.broadcasts.unfinished()
        room.engine.broadcasts.pause("news", by="tim", run=planned.occasion)
        room.send()
        assert room.later(timedelta(hours=3)) == []
        assert [run.occasion for run in room.engine.broadcasts.unfinished()] == [planned.occasion]
        room.engine.broadcasts.resume("news", by="tim")
        assert room.later() == _FIRST


def test_a_paused_broadcast_holds_back_its_runs_and_refuses_people(room: Newsroom) -> None:
    """A call for an audience waits until the broadcast is resumed; a call that waits for an answer gets one."""
    room.engine.entries.pause("news", by="tim")
    room.engine.trigger("news", key="june")
    room.send()
    assert room.later() == []
    with pytest.raises(OperationError, match=r"paused since .* by tim"):
        room.engine.trigger("news", people=["a"])
    room.engine.entries.resume("news", by="tim")
    assert room.later() == _FIRST


def test_another_process_goes_on_where_one_died(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep is in the run's row; a chunk is whole, or was never begun."""
    monkeypatch.setattr("whereupon.pipeline.sweeps.SWEEP_CHUNK", 1)
    first = Newsroom(database)
    with first.engine:
        first.engine.trigger("news", key="june")
        first.engine.run_due()
        first.engine.broadcasts.cancel("news", by="tim")
        _step(first)
        _step(first)
    with Newsroom(database).engine as second:
        assert sum(count.people for count in second.entries.counts("news")) == 3
        second.run_due()
        assert second.entries.counts("news") == []
        assert second.broadcasts.show("news", "news:june")[1] == 0


# --- previews -----------------------------------------------------------------------------------------


def test_a_preview_counts_whom_a_broadcast_would_reach(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one pass, stretch by stretch; each person counts once under each reason."""
    monkeypatch.setattr("whereupon.pipeline.audience_rounds.AUDIENCE_CHUNK", 2)
    rule = news(
        who={"newsletter": True},
        whereupon=[
            {"send": "email", "subject": "News", "topic": "offers"},
            {"send": "sms", "kind": "transactional", "body": "News"},
        ],
    )
    people: dict[str, dict[str, object]] = {
        "ada": {"email": "ada@shop.example", "phone": "+331"},
        "bob": {"email": "bob@shop.example", "unsubscribed": True},
        "cho": {"email": "cho@shop.example", "topics": {"offers": False}, "phone": "+333"},
        "dee": {"phone": " "},
        "eve": {"email": "eve@shop.example", "phone": "+335"},
    }
    with Engine.open(
        place, rules=book_of(rule), clock=FrozenClock(NOON), digest_key=b"k" * 32
    ) as engine:
        engine.ingest(
            [
                {"type": "identify", "userId": name, "traits": {"newsletter": True, **traits}}
                for name, traits in people.items()
            ]
        )
        engine.identify("fay", traits={"newsletter": False})
        engine.suppress("email", "eve@shop.example", by="tim")
        found = engine.broadcasts.preview("news", sample=2)
        assert (found.people, found.sample) == (5, ("ada", "bob"))
        assert (found.unsubscribed, found.suppressed, found.without_address) == (2, 1, 2)
        assert found.unreachable == 2
        assert (engine.deliveries(), engine.runs("news")) == ([], [])
        with pytest.raises(UnknownNameError, match="broadcast"):
            engine.broadcasts.preview("nws")


def test_a_preview_asks_who_with_the_properties_of_the_call(engine: Engine) -> None:
    """So it says of a call what that call would do."""
    rule = news(who={"logic": {"==": [{"var": "person.plan"}, {"var": "properties.plan"}]}})
    engine.reload(book_of(rule))
    assert engine.broadcasts.preview("news", properties={"plan": "free"}).sample == ("cho",)
    assert engine.broadcasts.preview("news").people == 0


def test_a_preview_asks_what_people_did(engine: Engine) -> None:
    """`performed` is looked up as in the sending itself."""
    engine.reload(book_of(news(who={"performed": {"event": "purchase", "at_least": 1}})))
    engine.ingest([purchase(1, "bob")])
    assert engine.preview_broadcast("news", sample=1).sample == ("bob",)
