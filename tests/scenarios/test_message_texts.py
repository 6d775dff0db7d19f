"""The texts that reach a channel: made of data, the person and the schedule's timezone."""

from pathlib import Path

from tests.scenarios.commands import whereupon

from whereupon import Engine

MAIL = """
campaign: order
description: Confirm an order.
when: Order Completed
reentry: every_time
whereupon:
  - send: email
    subject: "Thanks, {{ properties.name }}"
    html: "<p>{{ properties.name }} {{ person.user_id }}</p>"
    text: "{{ properties.name }}"
    headers: {X-Note: "{{ properties.name }}"}
  - set: {bio_html: "{{ properties.name }}"}
"""
MORNING = """
broadcast: morning
description: Greet whose day it is, at nine in Sydney.
when: {cron: "0 9 * * *", timezone: Australia/Sydney}
who: {renews_at: {after: "2026-03-06", before: "2026-03-07"}, seen: {within: 1h}}
exit: {renews_at: {before: "2026-03-01"}}
whereupon:
  - send: push
    title: "{{ today }} {{ timestamp | date: '%A %H:%M' }} {{ person.renews_at | date: '%H:%M' }}"
  - wait: 6h
  - send: push
    title: "{{ now | date: '%A %H:%M' }}"
"""
STARS = """
campaign: stars
description: Thank for a review.
when: Reviewed
reentry: every_time
whereupon:
  - {send: push, title: "{% for i in (1..properties.stars) reversed %}*{% endfor %}"}
  - {send: push, title: "{{ (1..properties.stars) | join: ',' }}"}
  - {send: push, title: done}
"""
STREAM = "".join(
    '{{"type": "identify", "userId": "{0}", "messageId": "{0}", "timestamp": "2026-03-05T10:00:00Z", '
    '"traits": {{"renews_at": "{1}", "seen": "2026-03-06T08:30:00"}}}}\n'.format(*each)
    for each in (
        ("first", "2026-03-06T00:30:00"),
        ("before", "2026-03-05T23:59:00"),
        ("offset", "2026-03-05T13:30:00Z"),
        ("later", "2026-03-07T00:00:00"),
    )
)


def test_data_are_escaped_in_markup_and_break_no_line(tmp_path: Path) -> None:
    """A browser's event can hold any data, but the mail is the rule's; a trait does not replace the real id."""
    (tmp_path / "order.yaml").write_text(MAIL)
    name = "Smith & <b>\r\nBcc: all@example.com"
    with Engine.open("memory://", rules=tmp_path) as engine:
        engine.identify("ada", traits={"user_id": "root"})
        engine.track("Order Completed", user_id="ada", properties={"name": name}, source="client")
        (delivery,) = engine.deliveries()
    assert delivery.content == {
        "subject": "Thanks, Smith & <b> Bcc: all@example.com",
        "html": "<p>Smith &amp; &lt;b&gt;\r\nBcc: all@example.com ada</p>",
        "text": name,
        "headers": {"X-Note": "Smith & <b> Bcc: all@example.com"},
    }


def test_a_schedules_timezone_is_that_of_its_dates(tmp_path: Path) -> None:
    """In its audience, its exits and its texts, in each step: a date without an offset is in its timezone."""
    rules, stream = tmp_path / "rules", tmp_path / "stream.jsonl"
    rules.mkdir()
    (rules / "morning.yaml").write_text(MORNING)
    stream.write_text(STREAM)
    until = ("--until", "2026-03-06T12:00:00Z")
    done = whereupon("replay", stream, "--rules", rules, *until, "--json")
    sent = [(row["person"], row["content"]) for row in done.of_kind("delivery")]
    assert sent == [
        ("first", {"title": "2026-03-06 Friday 09:00 00:30"}),
        ("offset", {"title": "2026-03-06 Friday 09:00 00:30"}),
        ("first", {"title": "Friday 15:00"}),
        ("offset", {"title": "Friday 15:00"}),
    ]


def test_a_message_that_would_take_too_much_is_withheld_and_the_next_is_sent(
    tmp_path: Path,
) -> None:
    """A small event that asks for gigabytes stops no other person, and not its own entry."""
    (tmp_path / "stars.yaml").write_text(STARS)
    with Engine.open("memory://", rules=tmp_path) as engine:
        for stars in (10**8, 3):
            engine.track("Reviewed", user_id="ada", properties={"stars": stars})
        outbox = [(each.state, each.reason, each.content) for each in engine.deliveries()]
    withheld = [each for each in outbox if each[0] == "withheld"]
    assert len(withheld) == 2
    assert all(str(reason).startswith("template: line 1: this") for _, reason, _ in withheld)
    sent = sorted(str(content["title"]) for state, _, content in outbox if state != "withheld")
    assert sent == ["***", "1,2,3", "done", "done"]
