"""What is known of a person, and what happened to them, page by page."""

from datetime import datetime

import pytest
from tests.rule_files import File
from tests.worlds import DAY, HOUR, NOON, World, after, world

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


RENEWAL: File = {
    "campaign": "renewal",
    "when": {"date": "person.renews_at", "before": "7d", "at": "09:00"},
    "who": {"plan": "pro"},
    "reentry": "every_time",
    "whereupon": [{"send": "push", "title": "Soon"}],
}
BACK: File = {
    "campaign": "back",
    "when": {"quiet": "purchase", "for": "10d"},
    "reentry": "every_time",
    "whereupon": [{"send": "push", "title": "Come back"}],
}


def _moments(shop: World) -> list[tuple[str, datetime | None, str]]:
    return [(m.rule, m.at, m.sentence) for m in shop.engine.profile("ada").moments]


def test_a_profile_says_when_time_opens_rules_next_or_why_it_does_not() -> None:
    """A date that is missing, no date, or past; a silence that is over."""
    shop = world(RENEWAL, BACK)
    shop.identify("ada", {"plan": "pro"}, at=0)
    over = "no purchase for 10d"
    silence = ("back", after(10 * DAY), f"{over} is 2026-03-11T12:00:00Z, if none comes before")
    assert _moments(shop) == [silence, ("renewal", None, "renews_at is missing")]
    shop.identify("ada", {"renews_at": "soon"}, at=1)
    assert _moments(shop)[1] == ("renewal", None, "renews_at is soon, which is no date")
    shop.identify("ada", {"renews_at": "2026-03-20"}, at=2)
    named = "7d before person.renews_at at 09:00"
    at = after(12 * DAY - 3 * HOUR)
    said = f"{named} is 2026-03-13T09:00:00Z, for the date 2026-03-20"
    assert _moments(shop)[1] == ("renewal", at, said)
    shop.run(20 * DAY)
    assert _moments(shop) == [
        ("back", None, f"{over} is over, and the next one begins it anew"),
        ("renewal", None, f"{named} was 2026-03-13T09:00:00Z"),
    ]


def test_a_silence_that_was_broken_before_a_person_was_known_counts_from_then() -> None:
    """And not from when they became known, though that is not as long ago."""
    shop = world(BACK)
    shop.track("purchase", anonymous="anon-1")
    shop.identify("ada", anonymous="anon-1", at=DAY)
    shop.run(10 * DAY + HOUR)
    over = "no purchase for 10d is over, and the next one begins it anew"
    assert _moments(shop) == [("back", None, over)]


def test_explain_and_the_timeline_tell_that_time_opened_a_rule() -> None:
    """By its date or the beginning of the silence; a skip as well."""
    shop = world(RENEWAL, BACK)
    for name, plan in (("ada", "pro"), ("ben", "free")):
        shop.identify(name, {"renews_at": "2026-03-20", "plan": plan}, at=0)
    shop.run(20 * DAY)
    (entered,) = shop.engine.explain("ada", "renewal")
    assert entered.sentence.startswith(
        "ada entered renewal at 2026-03-13T09:00:00Z, when its date 2026-03-20 had come"
    )
    assert (entered.subject, entered.message_id) == ("when/renewal", "when/renewal@2026-03-20")
    (skipped,) = shop.engine.explain("ben", "renewal")
    assert skipped.sentence.startswith(
        "ben did not enter renewal at 2026-03-13T09:00:00Z, when its date 2026-03-20 had come: "
        "the rule asks that"
    )
    (missed,) = shop.engine.explain("ada", "back")
    assert "after a silence since 2026-03-01T12:00:00Z" in missed.sentence
    told = [each.subject for each in shop.engine.timeline("ada")]
    assert told == ["when/renewal", "when/back", "identify"]
