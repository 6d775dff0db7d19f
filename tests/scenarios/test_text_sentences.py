"""What the reference says of the clock, the language and the limits of texts, sentence by sentence."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue
from tests.rule_files import File, book_of
from tests.scenarios.commands import whereupon
from tests.shop import NOON, news, purchase, thanks

from whereupon import Delivery, Engine
from whereupon.scheduling.clocks import FrozenClock

TIMES = "{{ now | date: '%H:%M' }} {{ today }} {{ '2026-06-01T00:30' | date: '%H:%M %z' }}"


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine at noon."""
    with Engine.open("memory://", rules=book_of(thanks()), clock=FrozenClock(NOON)) as opened:
        yield opened


def _settings(**said: JsonValue) -> dict[str, object]:
    return {"settings": "settings", **said}


def _sent(
    engine: Engine,
    content: File,
    *,
    traits: dict[str, JsonValue] | None = None,
    properties: dict[str, JsonValue] | None = None,
    settings: dict[str, object] | None = None,
) -> Delivery:
    """What ada gets for a purchase, whatever becomes of it."""
    steps: list[JsonValue] = [{"send": "email", **content}]
    engine.reload(book_of(thanks(whereupon=steps), settings or _settings()))
    engine.identify("ada", traits={"email": "ada@example.com", **(traits or {})})
    engine.ingest([{**purchase(1), "properties": properties or {}}])
    engine.run_due()
    return next(iter(engine.deliveries()))


# --- clocks ---------------------------------------------------------------------------------------


def test_now_today_and_dates_without_an_offset_are_on_the_persons_clock(engine: Engine) -> None:
    """By the attribute `timezone`, also where no settings say so."""
    steps: list[JsonValue] = [{"send": "push", "title": TIMES}]
    engine.reload(book_of(thanks(whereupon=steps)))
    for zone, text in {
        "Asia/Tokyo": "21:00 2026-06-01 00:30 +0900",
        "Pacific/Auckland": "00:00 2026-06-02 00:30 +1200",
        "Mars/Olympus": "12:00 2026-06-01 00:30 +0000",
    }.items():
        engine.identify(f"in-{zone}", traits={"timezone": zone})
        engine.track(user_id=f"in-{zone}", event="purchase", properties={"number": 1})
        assert engine.deliveries()[0].content["title"] == text


@pytest.mark.parametrize("attribute", ["Asia/Tokyo", None])
def test_in_a_broadcast_with_a_timezone_now_and_today_are_on_its_clock(
    engine: Engine, attribute: str | None
) -> None:
    """Whatever the person's attribute and the settings say."""
    when: JsonValue = {"cron": "0 9 * * *", "timezone": "America/New_York"}
    rule = news(when=when, whereupon=[{"send": "push", "title": TIMES}])
    engine.reload(book_of(rule, _settings(timezone="Europe/Paris")))
    engine.identify("ada", traits={} if attribute is None else {"timezone": attribute})
    assert isinstance(engine.clock, FrozenClock)
    engine.run_due()
    engine.clock.move_to(NOON.replace(hour=13))
    engine.run_due()
    (delivery,) = engine.deliveries()
    assert delivery.content["title"] == "09:00 2026-06-01 00:30 -0400"


def test_date_takes_timezone(engine: Engine) -> None:
    """An instant is told on that clock, beside the person's own."""
    title = "{{ now | date: '%H:%M' }} {{ now | date: '%H:%M', timezone: 'Asia/Tokyo' }}"
    sent = _sent(engine, {"subject": title}, traits={"timezone": "Europe/Paris"})
    assert sent.content["subject"] == "14:00 21:00"


# --- languages ------------------------------------------------------------------------------------

RECEIPT: File = {
    "subject": "{{ properties.total | money: 'EUR' }}, {{ now | date: '%-d %B' }}",
    "body": "{{ properties.n | number }} {{ properties.n | pluralize: 'item', 'items' }}",
}
GERMAN: File = {
    "body": "{{ properties.n | number }} {{ properties.n | pluralize: 'Stück', 'Stücke' }}"
}


@pytest.mark.parametrize(
    ("traits", "languages", "subject", "body"),
    [
        ({}, {}, "€1,234.50, 1 June", "1,000 items"),
        ({"locale": "de_DE"}, {}, "1.234,50\xa0€, 1 Juni", "1.000 items"),
        ({"locale": "de-AT"}, {"de": GERMAN}, "€\xa01.234,50, 1 Juni", "1.000 Stücke"),
        ({"locale": "it"}, {"de": GERMAN}, "€1,234.50, 1 June", "1,000 items"),
        ({"locale": "??"}, {}, "€1,234.50, 1 June", "1,000 items"),
    ],
)
def test_money_number_and_pluralize_are_by_the_persons_locale(
    engine: Engine, traits: File, languages: File, subject: str, body: str
) -> None:
    """In a text that is in several languages, but not in theirs, they are by the folder's."""
    content = {**RECEIPT, **({"languages": languages} if languages else {})}
    sent = _sent(
        engine,
        content,
        traits=traits,
        properties={"total": 1234.5, "n": 1000},
        settings=_settings(locale={"attribute": "locale", "else": "en"}),
    )
    assert (sent.content["subject"], sent.content["body"]) == (subject, body)


RULE = """\
campaign: receipt
description: A receipt.
when: purchase
reentry: every_time
whereupon:
  - send: push
    title: "{{ properties.total | money: 'EUR' }} {{ now | date: '%A %H:%M' }}"
"""
TESTS = """\
tests:
  - name: in German
    given:
      - {identify: ada, traits: {locale: de, timezone: Asia/Tokyo}}
      - {track: purchase, user: ada, properties: {total: 9.5}}
    expect:
      - {entered: ada}
      - {delivery: push, to: ada, title: "9,50\\u00a0€ Montag 18:00"}
  - name: a space of any width is a space
    given:
      - {identify: ada, traits: {locale: fr, timezone: Asia/Tokyo}}
      - {track: purchase, user: ada, properties: {total: 1234.5}}
    expect:
      - {entered: ada}
      - {delivery: push, to: ada, title: "1 234,50 € lundi 18:00"}
"""


def test_samples_tests_and_replays_are_rendered_as_the_engine_renders(tmp_path: Path) -> None:
    """On the person's clock and in their language."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "receipt.yaml").write_text(RULE, encoding="utf-8")
    (rules / "receipt.test.yaml").write_text(TESTS, encoding="utf-8")
    tested = whereupon("test", rules)
    assert tested.status == 0, tested.stdout + tested.stderr
    person = {
        "type": "identify",
        "userId": "ada",
        "messageId": "who",
        "timestamp": NOON.isoformat(),
    }
    traits: JsonValue = {"locale": "de", "timezone": "Asia/Tokyo"}
    bought = {**purchase(1), "timestamp": NOON.isoformat(), "properties": {"total": 9.5}}
    stream = tmp_path / "stream.jsonl"
    stream.write_text("".join(json.dumps(m) + "\n" for m in ({**person, "traits": traits}, bought)))
    replayed = whereupon("replay", stream, "--rules", rules, "--json")
    (delivery,) = replayed.of_kind("delivery")
    written = "9,50\xa0€ Montag 21:00"
    assert written in json.dumps(delivery, ensure_ascii=False)
    store = f"sqlite:///{tmp_path}/shop.db"
    with Engine.open(store, rules=rules, clock=FrozenClock(NOON)) as engine:
        engine.identify("ada", traits={"locale": "de", "timezone": "Asia/Tokyo"})
        engine.ingest([bought])
        assert engine.deliveries()[0].content["title"] == written
    command = ("send-test", "receipt", "ada", "--store", store, "--channel", "push", "--dry-run")
    sample = whereupon(*command, "--rules", rules, folder=tmp_path)
    assert "[test] 9,50" in sample.stdout, sample.stderr


# --- what data may do -----------------------------------------------------------------------------


def test_a_text_in_a_field_whose_name_is_or_ends_in_html_is_autoescaped(engine: Engine) -> None:
    """`| raw` switches it off; no other field is escaped."""
    content: File = {
        **dict.fromkeys(("html", "body_html", "text"), "{{ properties.note }}"),
        "raw_html": "{{ properties.note | raw }}",
    }
    sent = _sent(engine, content, properties={"note": "<b>&</b>"}).content
    assert sent["html"] == sent["body_html"] == "&lt;b&gt;&amp;&lt;/b&gt;"
    assert sent["text"] == sent["raw_html"] == "<b>&</b>"


@pytest.mark.parametrize("breaks", ["\r\n", "\n", "\r", "\u2028"])
def test_cr_and_lf_in_data_never_reach_subject_title_to_from_or_a_header(
    engine: Engine, breaks: str
) -> None:
    """A line break becomes a space; an author may write no template where a sender stands."""
    name = f"Ada{breaks}Bcc: eve@example.com"
    said = "{{ person.first_name }}"
    content: File = {"subject": said, "title": said, "headers": {"X-Name": said}, "body": said}
    sent = _sent(engine, content, traits={"first_name": name}).content
    line = "Ada Bcc: eve@example.com"
    assert (sent["subject"], sent["title"], sent["headers"]) == (line, line, {"X-Name": line})
    assert sent["body"] == name


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("upcase: 3", "the filter 'upcase' takes no argument, and has 1 here"),
        ("date: '%d', zone: 'UTC'", "the filter 'date' takes no argument called 'zone'"),
        ("money", "the filter 'money' takes 1 argument, and has 0 here"),
        ("pluralize: 'item'", "pluralize: say the form of all other numbers"),
    ],
)
def test_a_filter_called_with_arguments_that_it_does_not_take_is_a_lint_error(
    tmp_path: Path, call: str, said: str
) -> None:
    """It is told at its file, line and column."""
    text = RULE.replace("money: 'EUR'", call)
    (tmp_path / "receipt.yaml").write_text(text, encoding="utf-8")
    done = whereupon("lint", tmp_path, columns=300)
    assert done.status == 1
    assert "receipt.yaml:7:12" in done.stdout + done.stderr
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    "loop",
    [
        "{% for i in (1..9000) %}{{ properties.note }}{% endfor %}",
        "{% for i in (1..200000) %}{% endfor %}",
        "{% for i in (1..9000) %}{% for j in (1..9000) %}x{% endfor %}{% endfor %}",
    ],
    ids=["more than 1 MB", "a long loop", "a loop in a loop"],
)
def test_a_loop_that_would_render_more_than_1_mb_or_run_too_long_ends_as_withheld(
    engine: Engine, loop: str
) -> None:
    """The reason is `template`, and says what was too much."""
    sent = _sent(engine, {"subject": "Much", "text": loop}, properties={"note": "x" * 120})
    assert str(sent.state) == "withheld"
    assert (sent.reason or "").startswith("template: ")


def test_a_loop_of_less_than_1_mb_is_sent(engine: Engine) -> None:
    """The limit is far above what a mail needs."""
    loop = "{% for i in (1..9000) %}{{ properties.note }}{% endfor %}"
    sent = _sent(engine, {"subject": "Much", "text": loop}, properties={"note": "x" * 110})
    assert len(str(sent.content["text"])) == 990_000
