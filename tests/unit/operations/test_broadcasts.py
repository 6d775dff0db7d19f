"""Broadcasts to people whom the call names."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from tests.rule_files import book_of
from tests.shop import NOON, news

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
