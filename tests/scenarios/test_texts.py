"""Texts of steps as people get them: from files, in their language, on their clock, and live."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue
from tests.rule_files import book_of
from tests.scenarios.commands import whereupon
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, Engine
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.web.management.deliveries import delivery_shown

HOUR = timedelta(hours=1)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture
def sent() -> list[Delivery]:
    """Everything that the channels got."""
    return []


@pytest.fixture
def engine(store: str, sent: list[Delivery]) -> Iterator[Engine]:
    """An engine at noon whose channels keep their deliveries."""
    with Engine.open(store, rules=book_of(thanks()), clock=FrozenClock(NOON)) as opened:
        for channel in ("push", "email"):
            opened.channel(channel)(sent.append)
        yield opened


def _later(engine: Engine, hours: int = 1) -> None:
    assert isinstance(engine.clock, FrozenClock)
    engine.clock.move_to(engine.clock.now() + hours * HOUR)
    engine.run_due()


def _waiting(title: str, **keys: object) -> dict[str, object]:
    steps: list[JsonValue] = [{"wait": "1h"}, {"send": "push", "title": title}]
    return thanks(**{"whereupon": steps, **keys})


def _digest(engine: Engine) -> str:
    return engine.pipeline.index.by_id["thanks"].digest


# --- live -----------------------------------------------------------------------------------------


def test_a_typo_mended_reaches_those_who_wait(engine: Engine, sent: list[Delivery]) -> None:
    """With `content: live` the texts are those of the current version, and the delivery says which."""
    engine.reload(book_of(_waiting("Thnaks", content="live")))
    engine.ingest([purchase(1)])
    engine.reload(book_of(_waiting("Thanks", content="live")))
    _later(engine)
    (delivery,) = sent
    assert (delivery.content["title"], delivery.texts) == ("Thanks", _digest(engine))
    assert engine.deliveries()[0].texts == _digest(engine)


def test_which_texts_were_used_is_said_everywhere(engine: Engine) -> None:
    """By explain, the timeline and the management API."""
    engine.reload(book_of(_waiting("Thnaks", content="live")))
    engine.ingest([purchase(1)])
    engine.reload(book_of(_waiting("Thanks", content="live")))
    _later(engine)
    said = f"push “Thanks” (texts of version {_digest(engine)}) was sent"
    (explanation,) = engine.explain("ada", "thanks")
    assert said in explanation.sentence
    (happening,) = engine.timeline("ada")
    assert said in happening.decisions[0].sentence
    assert delivery_shown(engine.deliveries()[0]).texts == _digest(engine)


def test_without_it_an_entry_keeps_the_texts_that_it_entered_with(
    engine: Engine, sent: list[Delivery]
) -> None:
    """`pinned` is the default, and nothing is said of versions."""
    for pinned in (_waiting("Old"), _waiting("Old", content="pinned")):
        engine.reload(book_of(pinned))
        engine.ingest([purchase(len(sent))])
        engine.reload(book_of(_waiting("New")))
        _later(engine)
        assert (sent[-1].content["title"], sent[-1].texts) == ("Old", None)
    (first, _) = engine.explain("ada", "thanks")
    assert "texts of version" not in first.sentence


def test_the_current_version_says_whether_texts_are_live(
    engine: Engine, sent: list[Delivery]
) -> None:
    """Who mends a typo may write `content: live` at the same time; who takes it out pins again."""
    engine.reload(book_of(_waiting("Thnaks")))
    engine.ingest([purchase(1)])
    engine.reload(book_of(_waiting("Thanks", content="live")))
    engine.ingest([purchase(2)])
    _later(engine)
    assert [each.content["title"] for each in sent] == ["Thanks", "Thanks"]
    engine.ingest([purchase(3)])
    engine.reload(book_of(_waiting("Other")))
    _later(engine)
    assert sent[-1].content["title"] == "Thanks"


def test_texts_come_from_the_step_of_the_same_address_and_kind(
    engine: Engine, sent: list[Delivery]
) -> None:
    """A name is an address that stays; without such a step the entry's own texts are sent."""
    named: JsonValue = {"send": "push", "title": "Named", "name": "greeting"}
    engine.reload(book_of(thanks(content="live", whereupon=[{"wait": "1h"}, named])))
    engine.ingest([purchase(1)])
    mended = {**named, "title": "Mended"} if isinstance(named, dict) else None
    steps: list[JsonValue] = [{"send": "email", "subject": "First"}, {"wait": "1h"}, mended]
    engine.reload(book_of(thanks(content="live", whereupon=steps)))
    _later(engine)
    assert sent[-1].content["title"] == "Mended"
    engine.reload(book_of(_waiting("Own", content="live")))
    own = _digest(engine)
    engine.ingest([purchase(2)])
    for step in ({"send": "email", "subject": "Mail"}, {"track": "x"}):
        engine.reload(book_of(thanks(content="live", whereupon=[{"wait": "1h"}, step])))
    _later(engine)
    assert (sent[-1].content["title"], sent[-1].texts) == ("Own", own)


def test_live_texts_are_in_the_persons_language(engine: Engine, sent: list[Delivery]) -> None:
    """The languages of the current version count."""
    engine.reload(book_of(_waiting("Hello", content="live")))
    engine.identify(user_id="ada", traits={"locale": "de_DE"})
    engine.ingest([purchase(1)])
    step: JsonValue = {"send": "push", "title": "Hello", "languages": {"de": {"title": "Hallo"}}}
    engine.reload(book_of(thanks(content="live", whereupon=[{"wait": "1h"}, step])))
    _later(engine)
    assert sent[0].content == {"title": "Hallo"}


def test_the_version_whose_texts_were_used_is_kept(tmp_path: Path) -> None:
    """Though nobody has entered with it: what somebody got can be looked up."""
    store = f"sqlite:///{tmp_path}/shop.db"
    mended = book_of(_waiting("Thanks", content="live"))
    with Engine.open(store, rules=book_of(_waiting("Thnaks")), clock=FrozenClock(NOON)) as engine:
        engine.ingest([purchase(1)])
        engine.reload(mended)
        _later(engine)
        digest = engine.deliveries()[0].texts
    assert digest == mended.rules[0].digest
    with closing(open_store(store)) as opened, opened.reading() as session:
        assert b"Thanks" in (session.rule_version(digest) or b"")


def test_the_outbox_says_which_texts_were_used(tmp_path: Path) -> None:
    """`whereupon deliveries`, as lines and as JSON."""
    store = f"sqlite:///{tmp_path}/shop.db"
    rules = book_of(thanks(content="live"))
    with Engine.open(store, rules=rules, clock=FrozenClock(NOON)) as engine:
        engine.ingest([purchase(1)])
    digest = rules.rules[0].digest
    lines = whereupon("deliveries", "--store", store, folder=tmp_path)
    assert f"texts of version {digest}" in lines.stdout
    shown = whereupon("deliveries", "--store", store, "--json", folder=tmp_path)
    assert json.loads(shown.stdout.splitlines()[0])["texts"] == digest


# --- files and partials ---------------------------------------------------------------------------

RULE = """\
campaign: receipt
description: A receipt.
when: purchase
reentry: every_time
whereupon:
  - wait: 1h
  - send: push
    title_file: texts/title.txt
"""


def _folder(place: Path, title: str, partial: str) -> Path:
    for name, text in {
        "receipt.yaml": RULE,
        "texts/title.txt": title,
        "partials/sign.liquid": partial,
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    return place


TITLE = "Thanks for {{ properties.number }}{% render 'sign', who: 'Sock Shop' %}"


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_an_entry_of_an_old_version_renders_what_it_entered_with_in_another_process(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, sent: list[Delivery]
) -> None:
    """The folder is another by then: the texts and partials of the version are in the store."""
    store = f"sqlite:///{tmp_path}/shop.db"
    if kind == "postgres":
        store = str(request.getfixturevalue("postgres"))
    rules = _folder(tmp_path / "rules", TITLE, ", {{ who }}")
    with Engine.open(store, rules=rules, clock=FrozenClock(NOON)) as first:
        first.ingest([purchase(1)])
    _folder(rules, "New", "New")
    with Engine.open(store, rules=rules, clock=FrozenClock(NOON + HOUR)) as second:
        second.channel("push")(sent.append)
        second.run_due()
    assert [each.content["title"] for each in sent] == ["Thanks for 1, Sock Shop"]


def test_a_reload_sees_a_changed_text_and_a_changed_partial(
    engine: Engine, sent: list[Delivery], tmp_path: Path
) -> None:
    """Each is a new version; a missing partial changes nothing and raises."""
    rules = _folder(tmp_path / "rules", TITLE, "!")
    for title, partial in ((TITLE, "!"), ("One{% render 'sign' %}", "!"), (TITLE, "?")):
        engine.reload(_folder(rules, title, partial))
        engine.ingest([purchase(len(sent))])
        _later(engine)
    assert [e.content["title"] for e in sent] == ["Thanks for 0!", "One!", "Thanks for 2?"]
    shutil.rmtree(rules / "partials")
    with pytest.raises(Exception, match="unknown-partial"):
        engine.reload(rules)
    engine.ingest([purchase(3)])
    _later(engine)
    assert sent[-1].content["title"] == "Thanks for 3?"


TESTS = """\
tests:
  - name: a receipt after an hour
    given:
      - {track: purchase, user: ada, properties: {number: 7}}
    expect:
      - {entered: ada}
      - {delivery: push, to: ada, at: +1h, title: "Thanks for 7, Sock Shop"}
"""


def test_the_commands_see_texts_in_files(tmp_path: Path) -> None:
    """`lint`, `test` and `replay`."""
    rules = _folder(tmp_path / "rules", TITLE, ", {{ who }}")
    (rules / "receipt.test.yaml").write_text(TESTS, encoding="utf-8")
    assert "no-default" in whereupon("lint", rules).stdout
    assert whereupon("test", rules).status == 0
    stream = tmp_path / "stream.jsonl"
    stream.write_text(json.dumps({**purchase(7), "timestamp": "2026-06-01T12:00:00Z"}) + "\n")
    replayed = whereupon("replay", stream, "--rules", rules, "--json")
    assert "Thanks for 7, Sock Shop" in replayed.stdout
    (rules / "partials" / "sign.liquid").write_text("!", encoding="utf-8")
    assert whereupon("test", rules).status != 0


# --- languages and clocks -------------------------------------------------------------------------


def _settings(**said: JsonValue) -> dict[str, object]:
    return {"settings": "settings", **said}


def test_people_are_written_to_in_their_language(engine: Engine, sent: list[Delivery]) -> None:
    """By the attribute of the settings, else the locale that they say for everybody else."""
    step: JsonValue = {
        "send": "push",
        "title": "Hello",
        "languages": {"de": {"title": "Hallo"}, "fr-CA": {"title": "Allô"}},
    }
    rule = thanks(whereupon=[step])
    engine.reload(book_of(rule, _settings(locale={"attribute": "language", "else": "de"})))
    said = {"ada": "FR_ca", "ben": "fr", "cem": "en", "dan": None, "eva": "de-AT"}
    for number, (name, language) in enumerate(said.items()):
        engine.identify(user_id=name, traits={"language": language, "locale": "fr-CA"})
        engine.ingest([purchase(number, name)])
    engine.run_due()
    titles = {each.person: each.content["title"] for each in sent}
    expected = {"ada": "Allô", "ben": "Hello", "cem": "Hello", "dan": "Hallo", "eva": "Hallo"}
    assert titles == expected


TIMES = "{{ now | date: '%H:%M' }} {{ today }} {{ timestamp | date: '%H:%M' }}"


@pytest.mark.parametrize(
    ("settings", "rule", "expected"),
    [
        ({}, {}, "00:00 2026-06-02 00:00"),
        ({"timezone": "Europe/Paris"}, {}, "14:00 2026-06-01 14:00"),
        ({"timezone": {"else": "Europe/Paris"}}, {}, "00:00 2026-06-02 00:00"),
        ({"timezone": "Asia/Tokyo"}, {"timezone": "Europe/Paris"}, "14:00 2026-06-01 14:00"),
        ({}, {"timezone": {"attribute": "tz", "else": "Asia/Tokyo"}}, "21:00 2026-06-01 21:00"),
    ],
    ids=str,
)
def test_now_and_today_are_on_the_clock_of_the_rule_or_the_settings(
    engine: Engine,
    sent: list[Delivery],
    settings: dict[str, JsonValue],
    rule: dict[str, JsonValue],
    expected: str,
) -> None:
    """If neither says a timezone, the attribute `timezone` does, or else they are UTC."""
    steps: list[JsonValue] = [{"send": "push", "title": TIMES}]
    engine.reload(book_of(thanks(whereupon=steps, **rule), _settings(**settings)))
    engine.identify(user_id="ada", traits={"timezone": "Pacific/Auckland", "tz": "Mars/Olympus"})
    engine.ingest([purchase(1)])
    engine.run_due()
    (delivery,) = sent
    assert delivery.content["title"] == expected


def test_a_sample_is_in_the_persons_language_and_on_their_clock(tmp_path: Path) -> None:
    """`whereupon send-test` renders texts of files as the engine would."""
    rules = _folder(tmp_path / "rules", TITLE, "{{ now | date: '%z' }}")
    languages = "    languages: {de: {title_file: texts/de.txt}}\n"
    (rules / "receipt.yaml").write_text(RULE + languages, encoding="utf-8")
    (rules / "texts" / "de.txt").write_text("Danke{% render 'sign' %}", encoding="utf-8")
    settings = "settings: settings\ntimezone: {else: Asia/Tokyo}\n"
    (rules / "settings.yaml").write_text(settings, encoding="utf-8")
    store = f"sqlite:///{tmp_path}/shop.db"
    with Engine.open(store, rules=rules, clock=FrozenClock(NOON)) as engine:
        engine.identify("ada", traits={"locale": "de-AT"})
        engine.ingest([purchase(7)])
    command = ("send-test", "receipt", "ada", "--store", store, "--channel", "push", "--dry-run")
    sample = whereupon(*command, "--rules", rules, folder=tmp_path)
    assert "Danke+0900" in sample.stdout, sample.stderr


def test_a_fault_in_a_text_fails_the_tests_of_its_rule_only(tmp_path: Path) -> None:
    """The tests of other rules run."""
    rules = _folder(tmp_path / "rules", "{% if %}", "")
    (rules / "receipt.test.yaml").write_text(TESTS, encoding="utf-8")
    (rules / "other.yaml").write_text(
        RULE.replace("receipt", "other").replace("title_file: texts/title.txt", "title: Hello"),
        encoding="utf-8",
    )
    (rules / "other.test.yaml").write_text(
        TESTS.replace("Thanks for 7, Sock Shop", "Hello"), encoding="utf-8"
    )
    done = whereupon("test", rules)
    assert "receipt.yaml has an error" in done.stdout + done.stderr
    assert "1 passed, 1 failed" in done.stdout + done.stderr
