"""What is known of a person, and what happened to them, page by page."""

import pytest
from tests.rule_files import File
from tests.worlds import DAY, NOON, after, world

from whereupon.errors import UnknownNameError
from whereupon.insight import TimelinePlace

SOCKS: File = {
    "campaign": "socks",
    "when": "purchase",
    "reentry": "every_time",
    "where": {"price": {"gt": 5}},
    "whereupon": [{"send": "push", "topic": "offers", "title": "Thanks"}],
}
NEWS: File = {
    "broadcast": "news",
    "when": {"cron": "0 13 * * *"},
    "whereupon": [{"send": "push", "title": "News"}],
}
BUYERS: File = {
    "segment": "buyers",
    "who": {"performed": {"event": "purchase", "at_least": 1, "within": "1d"}},
}
PROS: File = {"segment": "pros", "who": {"plan": "pro"}}


def test_a_profile_says_what_is_known_now() -> None:
    """Ids, attributes with their times, segments with what was done lately, consent by topic, and counts."""
    shop = world(SOCKS, BUYERS, PROS)
    shop.track("purchase", None, {"price": 1}, anonymous="anon-1", at=0)
    shop.identify("ada", {"plan": "pro", "topics": {"offers": False}}, anonymous="anon-1", at=1)
    shop.identify("old-ada", at=1)
    shop.alias("ada", "old-ada", at=2)
    shop.group("ada", "acme", at=3)
    known = shop.engine.profile("old-ada")
    assert known.user_ids == ("ada", "old-ada")
    assert known.anonymous_ids == ("anon-1",)
    assert known.attributes["plan"] == "pro"
    assert known.attributes_set_at["plan"] == after(1)
    assert known.segments == ("buyers", "pros")
    assert (known.is_unsubscribed, known.topics) == (False, {"offers": False})
    assert [each.object_id for each in known.relationships] == ["acme"]
    assert known.counts["messages"] >= 3
    assert known.latest == after(3)
    shop.run(2 * DAY)
    assert shop.engine.profile("ada").segments == ("pros",)


def test_a_timeline_tells_each_message_and_what_it_led_to() -> None:
    """Newest first, with scheduled broadcasts among the messages, and the same in pages of any size."""
    shop = world(SOCKS, NEWS)
    shop.identify("ada", at=0)
    for at in (1, 2, 2, 3):
        shop.track("purchase", "ada", {"price": at + 3}, at=at)
    shop.run(61)
    shop.track("purchase", "ada", {"price": 9}, at=62)
    told = shop.engine.timeline("ada")
    assert [each.subject for each in told] == [
        "purchase",
        "news@2026-03-01T13:00:00Z",
        *("purchase",) * 4,
        "identify",
    ]
    sentences = [d.sentence for each in told for d in each.decisions]
    assert "was in the audience of news" in sentences[1]
    assert [d.outcome for d in told[2].decisions] == ["entered"]
    assert "price" in told[3].decisions[0].sentence
    for size in (1, 2, 3):
        pages, before = [], None
        while page := shop.engine.timeline("ada", limit=size, before=before):
            pages += page
            before = page[-1].place
        assert pages == told


def test_nobody_is_told_of_as_nobody() -> None:
    """An unknown user id, and one that no database can hold, are unknown names."""
    shop = world(SOCKS)
    for name in ("nobody", "nul\0", "half\ud800"):
        for ask in (shop.engine.profile, shop.engine.timeline):
            with pytest.raises(UnknownNameError):
                ask(name)
        with pytest.raises(UnknownNameError):
            shop.engine.deliveries(person=name)
    assert TimelinePlace(NOON) < TimelinePlace(NOON, 1)
