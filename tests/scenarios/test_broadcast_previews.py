"""`whereupon broadcast NAME --preview`: whom a broadcast would reach, and what it would send them."""

from collections.abc import Iterator

import pytest
from tests.rule_files import book_of
from tests.scenarios.commands import whereupon
from tests.shop import NOON, news

from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock

_MAIL = {
    "send": "email",
    "topic": "offers",
    "subject": "For you, {{ person.first_name | default: 'friend' }}",
    "body": "{{ properties.title | default: 'News' }}",
}
_PEOPLE: dict[str, dict[str, object]] = {
    "ada": {"email": "ada@shop.example", "first_name": "Ada"},
    "bob": {"email": "bob@shop.example", "unsubscribed": True},
    "cho": {"email": "cho@shop.example", "topics": {"offers": False}},
    "dee": {},
}


def _opened(place: str, **keys: object) -> Engine:
    rules = book_of(news(**{"whereupon": [_MAIL], **keys}))
    engine = Engine.open(place, rules=rules, clock=FrozenClock(NOON))
    engine.ingest({"type": "identify", "userId": n, "traits": t} for n, t in _PEOPLE.items())
    return engine


@pytest.fixture
def engine(place: str) -> Iterator[Engine]:
    """An engine with a broadcast about offers, and four people."""
    with _opened(place) as engine:
        yield engine


def test_a_preview_says_how_many_a_sample_and_how_many_are_unsubscribed_or_without_an_address(
    engine: Engine,
) -> None:
    """Who has opted out of the topic of the broadcast is unsubscribed from it."""
    found = engine.preview_broadcast("news", sample=2)
    assert (found.people, found.sample) == (4, ("ada", "bob"))
    assert (found.unsubscribed, found.without_address, found.unreachable) == (2, 1, 3)


def test_a_sample_has_the_texts_that_these_people_would_be_sent(engine: Engine) -> None:
    """Or the reason why one would be withheld; nothing is written, and no key is used up."""
    with engine.store.session() as session:
        key = session.allocate(1)
    found = engine.preview_broadcast("news", properties={"title": "June"}, sample=3)
    assert [(each.person, each.content.get("subject"), each.reason) for each in found.texts] == [
        ("ada", "For you, Ada", None),
        ("bob", None, "unsubscribed"),
        ("cho", None, "topic"),
    ]
    assert found.texts[0].content["body"] == "June"
    with engine.store.session() as session:
        assert session.allocate(1) == key + 1
    assert (engine.deliveries(), engine.runs("news")) == ([], [])


def test_a_preview_says_how_many_are_held_out(place: str) -> None:
    """They would be sent nothing; and they are those whom the sending holds out."""
    with _opened(place, holdout=50, goal="purchase") as engine:
        engine.ingest({"type": "identify", "userId": f"person-{n}"} for n in range(96))
        found = engine.preview_broadcast("news", sample=100)
        engine.trigger("news")
        engine.run_due()
        assert 30 < found.held_out < 70
        sent = {each.person for each in engine.deliveries(limit=1000)}
        assert len(sent) == found.people - found.held_out
        assert {each.person for each in found.texts} == sent


def test_a_preview_says_how_many_are_capped(place: str) -> None:
    """They have been sent as much as the settings allow; who has not is not among them."""
    settings = {"settings": "settings", "cap": [{"at_most": 1, "per": "7d", "channels": ["email"]}]}
    rules = book_of(news(whereupon=[_MAIL]), settings)
    with Engine.open(place, rules=rules, clock=FrozenClock(NOON)) as engine:
        engine.ingest({"type": "identify", "userId": n, "traits": t} for n, t in _PEOPLE.items())
        assert engine.preview_broadcast("news").capped == 0
        engine.trigger("news", people=["ada", "bob"])
        assert [each.state for each in engine.deliveries() if each.person == "ada"] == ["pending"]
        assert engine.preview_broadcast("news").capped == 1


def test_a_preview_of_many_people_goes_stretch_by_stretch_and_says_how_far_it_is(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it keeps no more people in memory than one stretch has."""
    monkeypatch.setattr("whereupon.pipeline.audience_rounds.AUDIENCE_CHUNK", 3)
    told = list[int]()
    assert engine.preview_broadcast("news", progress=told.append).people == 4
    assert told == [3, 4]


def test_the_command_shows_it_as_a_table_and_as_json(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """`--preview` is the same as the word preview."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "news.yaml").write_text(
        "broadcast: news\nwhen: api\nwhereupon:\n  - {send: email, subject: Hello, topic: offers}\n"
    )
    place = f"sqlite:///{folder.parent}/shop.db"
    _opened(place).close()
    where = ("--rules", str(folder), "--store", place)
    shown = whereupon("broadcast", "news", "--preview", "--sample", "3", *where)
    assert shown.status == 0
    assert shown.stdout.splitlines() == [
        "4 people are in the audience of news now.",
        "  2 unsubscribed",
        "  0 suppressed",
        "  1 without an address",
        "  0 capped",
        "  0 held out",
        "  3 would get nothing at all",
        "  such as ada, bob, cho",
        "  ada  email  Hello",
        "  bob  email  withheld: unsubscribed",
        "  cho  email  withheld: topic",
    ]
    assert (
        whereupon("broadcasts", "news", "preview", "--sample", "3", *where).stdout == shown.stdout
    )
    (said,) = whereupon("broadcast", "news", "--preview", "--json", *where).records
    assert (said["people"], said["held_out"]) == (4, 0)
    text = {"person": "ada", "channel": "email", "content": {"subject": "Hello"}, "withheld": None}
    assert isinstance(said["texts"], list)
    assert text in said["texts"]
    refused = whereupon("broadcast", "news", "pause", "--preview", "--by", "tim", *where)
    assert "say one" in refused.stderr
