"""Statistics: each delivery counts once, on every store alike, in a table, as JSON and as a picture."""

import json
import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue
from tests.rule_files import book_of
from tests.scenarios.commands import whereupon
from tests.shop import NOON

from whereupon import DeliveryFigures, Engine, GiveUp, UnknownNameError
from whereupon.operations.statistics import RuleStatistics, Statistics
from whereupon.records import Delivery
from whereupon.render.statistics import statistics_lines, statistics_svg
from whereupon.scheduling.clocks import FrozenClock


def _rule(name: str, *channels: str) -> dict[str, object]:
    return {
        "campaign": name,
        "description": "Thank people.",
        "when": "purchase",
        "reentry": "every_time",
        "whereupon": [{"send": channel, "text": "Thanks"} for channel in channels],
    }


BOOK = book_of(_rule("thanks", "email", "sms"), _rule("more", "email"))


def _shop(place: str, clock: FrozenClock) -> Engine:
    """Three people get mail and text messages; one mail of each rule is dead."""
    engine = Engine.open(place, rules=BOOK, clock=clock)

    def send(delivery: Delivery) -> None:
        if delivery.person == "cleo":
            raise GiveUp(reason="no")

    engine.channel("email", send)
    engine.channel("sms", lambda _: None)
    for user in ("ada", "ben", "cleo"):
        engine.track("purchase", user_id=user)
    engine.run_due()
    mails = {(d.rule, d.channel, d.person): d.idempotency_key for d in engine.deliveries()}
    for metric in ("clicked", "opened", "opened"):
        engine.report(mails["thanks", "email", "ada"], metric)
    engine.report(mails["thanks", "email", "ben"], "delivered")
    engine.report(mails["thanks", "email", "cleo"], "bounced")
    engine.report(mails["thanks", "sms", "ada"], "converted")
    return engine


def test_each_delivery_counts_once_by_rule_and_channel(place: str) -> None:
    """An opening implies that the mail was delivered; a bounce of a dead mail counts in what was tried."""
    with _shop(place, FrozenClock(NOON)) as engine:
        more, thanks = engine.stats().rules
        assert (more.rule, more.entered, more.total.sent, more.total.dead) == ("more", 3, 2, 1)
        mail = DeliveryFigures(sent=2, dead=1, delivered=2, opened=1, clicked=1, bounced=1)
        assert thanks.channels == {"email": mail, "sms": DeliveryFigures(sent=3, converted=1)}
        assert thanks.total == DeliveryFigures(
            sent=5, dead=1, delivered=2, opened=1, clicked=1, bounced=1, converted=1
        )
        assert mail.rate("opened") == 1 / 2
        assert mail.rate("bounced") == 1 / 3
        assert engine.stats("thanks").rules == (thanks,)


def test_only_what_is_new_enough_counts(place: str) -> None:
    """By time or by instant; a rule that nobody entered since is there with zeros."""
    clock = FrozenClock(NOON)
    with _shop(place, clock) as engine:
        clock.move_to(NOON + timedelta(days=2))
        for since in (timedelta(days=1), NOON + timedelta(seconds=1)):
            (found,) = engine.stats("thanks", since=since).rules
            assert (found.entered, found.total) == (0, DeliveryFigures())
        (found,) = engine.stats("thanks", since=timedelta(days=2)).rules
        assert found.entered == 3
        with pytest.raises(UnknownNameError, match="no rule"):
            engine.stats("tanks")


def test_pruned_records_are_named(place: str) -> None:
    """The statistics say from when on nothing is missing."""
    clock = FrozenClock(NOON)
    with _shop(place, clock) as engine:
        clock.move_to(NOON + timedelta(days=200))
        engine.prune()
        found = engine.stats()
        assert found.deliveries_kept_since is not None
        lines = list(statistics_lines(found))
    assert any(line.startswith("Of deliveries before ") for line in lines)


def test_the_command_prints_a_table_json_and_a_picture(tmp_path: Path) -> None:
    """The picture is one file with a title and a description, and nothing from elsewhere."""
    store = f"sqlite:///{tmp_path}/shop.db"
    _shop(store, FrozenClock(NOON)).close()
    table = whereupon("stats", "--store", store, columns=300).stdout.splitlines()
    assert table[0].split()[:3] == ["rule", "entered", "sent"]
    assert [line.split()[0] for line in table[1:]] == ["more", "thanks", "email", "sms"]
    picture = tmp_path / "funnel.svg"
    said = whereupon("stats", "thanks", "--store", store, "--json", "--svg", str(picture))
    found = json.loads(said.stdout)
    assert (found["kind"], found["entered"], found["sent"]) == ("stats", 3, 5)
    assert found["channels"]["email"]["rates"]["opened"] == 0.5
    text = picture.read_text()
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert [child.tag.rpartition("}")[2] for child in root[:2]] == ["title", "desc"]
    assert "3 entered" in (root[1].text or "")
    assert "href" not in text
    assert "prefers-color-scheme:dark" in text
    assert whereupon("stats", "tanks", "--store", store).status == 1


def test_a_picture_escapes_the_names_of_rules() -> None:
    """A rule may be called anything that a file can."""
    odd = RuleStatistics("<script>&", 1, {"email": DeliveryFigures(sent=1)})
    picture = statistics_svg(Statistics((odd,)))
    assert ET.fromstring(picture) is not None  # noqa: S314 - our own
    assert "<script>" not in picture


def test_a_suppression_is_asked_added_and_lifted_by_command(tmp_path: Path) -> None:
    """Who decides it is named; otherwise it is wrong usage."""
    store = f"sqlite:///{tmp_path}/shop.db"
    Engine.open(store).close()
    asked = ("suppression", "Ada@example.com", "--channel", "email", "--store", store)
    assert "not suppressed" in whereupon(*asked).stdout
    assert whereupon(*asked, "--add").status == 2
    assert "by-hand" in whereupon(*asked, "--add", "--by", "ben").stdout
    assert json.loads(whereupon(*asked, "--json").stdout)["suppressed"] is True
    assert "not suppressed" in whereupon(*asked, "--lift", "--by", "ben").stdout


# --- what was held back ---------------------------------------------------------------------------

LIMITED = book_of(
    {
        "settings": "settings",
        "quiet_hours": {"from": "21:00", "until": "08:00", "channels": ["push"]},
        "cap": [{"at_most": 1, "per": "7d", "channels": ["email"]}],
    },
    _rule("thanks", "email", "push") | {"reentry": "every_time"},
    {
        **_rule("named"),
        "whereupon": [{"send": "email", "topic": "news", "text": "{{ person.name }}"}],
    },
)


def _limited(place: str) -> Engine:
    """One of each: sent, over a cap, unsubscribed, opted out, without a name, and without an address; two wait."""
    clock = FrozenClock(NOON + timedelta(hours=10))
    engine = Engine.open(place, rules=LIMITED, clock=clock)

    def send(delivery: Delivery) -> None:
        if "email" not in delivery.recipient:
            raise GiveUp(reason="no-address: the person has no email")

    engine.channel("email", send)
    traits: dict[str, dict[str, JsonValue]] = {
        "ada": {"email": "ada@example.com", "topics": {"news": False}},
        "ben": {"unsubscribed": True},
        "cleo": {},
    }
    for user, each in traits.items():
        engine.identify(user, traits=each)
    for user in ("ada", "ada", "ben", "cleo"):
        engine.track("purchase", user_id=user)
    engine.run_due()
    return engine


def test_stats_counts_what_was_held_back_and_why(place: str) -> None:
    """By reason, for each rule; and what waits for the end of quiet hours, or under a cap."""
    with _limited(place) as engine:
        found = {each.rule: (each.held_back, each.waiting) for each in engine.stats().rules}
        assert found == {
            "named": ({"template": 1, "topic": 2, "unsubscribed": 1}, {}),
            "thanks": ({"cap": 1, "no-address": 1, "unsubscribed": 1}, {"quiet": 4}),
        }


def test_the_table_says_what_was_held_back_and_what_waits(place: str) -> None:
    """A line for each rule, below the table; nothing where nothing was held back."""
    with _limited(place) as engine:
        lines = list(statistics_lines(engine.stats()))
    assert lines[-3:] == [
        "named: held back: 1 template, 2 opted out of the topic, 1 unsubscribed",
        "thanks: held back: 1 over a cap, 1 no-address, 1 unsubscribed",
        "thanks: waiting to be sent: 4 in quiet hours",
    ]


def test_stats_of_one_rule_counts_its_own_alone(place: str) -> None:
    """And a period counts what was held back in it."""
    with _limited(place) as engine:
        (thanks,) = engine.stats("thanks").rules
        assert (sum(thanks.held_back.values()), thanks.waiting) == (3, {"quiet": 4})
        (earlier,) = engine.stats("thanks", until=timedelta(hours=1)).rules
        assert earlier.held_back == {}
