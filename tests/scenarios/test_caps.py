"""Caps, each sentence of the reference as a test, on every store."""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import JsonValue
from tests.rule_files import File, broadcast, campaign
from tests.worlds import DAY, World, after, message, world

from whereupon.pipeline.capped import capped as capped_persons
from whereupon.ports import Store

ONE_A_WEEK: File = {"at_most": 1, "per": "7d", "channels": ["email"]}


def mail(subject: str = "Socks", **more: JsonValue) -> File:
    """A step that sends a mail."""
    return {"send": "email", "subject": subject, **more}


def capped(home: Store, *files: File, caps: Sequence[File] = (ONE_A_WEEK,)) -> World:
    """A world with caps, in which Ada is known."""
    made = world({"settings": "settings", "cap": [*caps]}, *files, store=home)
    made.identify("ada", {"email": "ada@example.com"}, at=0)
    return made


def states(made: World) -> list[tuple[str, str | None]]:
    """State and reason of every delivery, in the order in which they were made."""
    return [(each.state.value, each.reason) for each in made.deliveries()]


SENT, LEFT_OUT = ("pending", None), ("withheld", "cap")


def test_over_a_cap_a_send_is_left_out(home: Store) -> None:
    """It is a delivery that is withheld, with the reason cap; the entry goes on."""
    made = capped(home, campaign("offer", "buy", whereupon=[mail(), {"set": {"offered": True}}]))
    made.track("buy", "ada", at=1)
    made.track("buy", "ada", at=2)
    assert states(made) == [SENT, LEFT_OUT]
    assert made.attributes("ada")["offered"] is True


def test_the_window_is_rolling_and_exact_at_its_edges(home: Store) -> None:
    """What was sent exactly seven days before counts no more; a moment later it would."""
    made = capped(home, campaign("offer", "buy", whereupon=[mail()]))
    made.track("buy", "ada", at=1)
    made.track("buy", "ada", at=7 * DAY + 1 - 1e-6)
    made.track("buy", "ada", at=7 * DAY + 1)
    made.track("buy", "ada", at=14 * DAY + 1)
    assert states(made) == [SENT, LEFT_OUT, SENT, SENT]


def test_only_sends_on_the_caps_channels_count_and_are_held_back(home: Store) -> None:
    """Without channels a cap holds for all of them."""
    both = campaign("both", "buy", whereupon=[mail(), {"send": "push", "title": "Socks"}])
    made = capped(home, both)
    made.track("buy", "ada", at=1)
    made.track("buy", "ada", at=2)
    assert states(made) == [SENT, SENT, LEFT_OUT, SENT]


def test_without_channels_a_cap_holds_for_all(home: Store) -> None:
    """A push takes the place of a mail."""
    both = campaign("both", "buy", whereupon=[mail(), {"send": "push", "title": "Socks"}])
    made = capped(home, both, caps=[{"at_most": 1, "per": "7d"}])
    made.track("buy", "ada", at=1)
    assert states(made) == [SENT, LEFT_OUT]


def test_two_sends_of_one_entry_count_one_another(home: Store) -> None:
    """The second of two mails in one entry is over a cap of one."""
    made = capped(home, campaign("offer", "buy", whereupon=[mail("a"), mail("b")]))
    made.track("buy", "ada", at=1)
    assert states(made) == [SENT, LEFT_OUT]


def test_sends_of_several_rules_at_one_moment_count_one_another(home: Store) -> None:
    """Caps hold over all rules, also for the messages of one batch."""
    offer, thanks = (campaign(name, "buy", whereupon=[mail(name)]) for name in ("offer", "thanks"))
    made = capped(home, offer, thanks, caps=[ONE_A_WEEK | {"at_most": 3}])
    buy: File = {"type": "track", "event": "buy", "userId": "ada"}
    made.engine.ingest([buy, buy])
    assert states(made) == [SENT, SENT, SENT, LEFT_OUT]


def test_of_several_caps_every_one_holds(home: Store) -> None:
    """Two a day, and three a week."""
    caps = [ONE_A_WEEK | {"at_most": 2, "per": "1d"}, ONE_A_WEEK | {"at_most": 3}]
    made = capped(home, campaign("offer", "buy", whereupon=[mail()]), caps=caps)
    for day in (0, 0, 0, 1, 2):
        made.track("buy", "ada", at=day * DAY + 1)
    assert states(made) == [SENT, SENT, LEFT_OUT, SENT, LEFT_OUT]


def test_transactional_and_internal_sends_neither_count_nor_are_held_back(home: Store) -> None:
    """Nor do calls of webhooks and functions."""
    receipt = campaign(
        "receipt",
        "pay",
        whereupon=[
            mail(kind="transactional"),
            mail(kind="internal"),
            {"webhook": "https://hooks.example.com/x", "json": {"paid": True}},
        ],
    )
    made = capped(home, receipt, campaign("offer", "buy", whereupon=[mail()]))
    made.track("pay", "ada", at=1)
    made.track("buy", "ada", at=2)
    made.track("buy", "ada", at=3)
    made.track("pay", "ada", at=4)
    assert states(made) == [SENT] * 4 + [LEFT_OUT] + [SENT] * 3


def test_what_an_exempt_rule_sends_is_not_held_back_and_counts(home: Store) -> None:
    """The person has got it all the same, so it takes a place from the others."""
    notice = campaign("notice", "outage", cap="exempt", whereupon=[mail("Outage")])
    made = capped(home, notice, campaign("offer", "buy", whereupon=[mail()]))
    made.track("outage", "ada", at=1)
    made.track("buy", "ada", at=2)
    made.track("outage", "ada", at=3)
    assert states(made) == [SENT, LEFT_OUT, SENT]


def test_what_is_withheld_takes_no_place(home: Store) -> None:
    """A mail whose template lacks a value, and one to somebody who is unsubscribed."""
    named = campaign("named", "call", whereupon=[mail("{{ properties.name }}")])
    made = capped(home, named, campaign("offer", "buy", whereupon=[mail()]))
    made.track("call", "ada", at=1)
    made.identify("ada", {"unsubscribed": True}, at=2)
    made.track("buy", "ada", at=3)
    made.identify("ada", {"unsubscribed": False}, at=4)
    made.track("buy", "ada", at=5)
    reasons = [reason for _, reason in states(made)]
    assert reasons[1:] == ["unsubscribed", None]
    assert (reasons[0] or "").startswith("template")


WAITS: File = ONE_A_WEEK | {"otherwise": {"wait_up_to": "10d"}}


def due(made: World) -> list[float]:
    """When the entries that wait are due, in minutes after noon."""
    with made.home.session() as session:
        waiting = session.due_entries(after(1000 * DAY), 99)
    assert all(entry.due_at is not None for entry in waiting)
    return [(entry.due_at - after(0)) / timedelta(minutes=1) for entry in waiting if entry.due_at]


def test_a_send_over_a_cap_waits_until_the_first_moment_a_place_is_free(home: Store) -> None:
    """The entry waits at the send, and what comes after it waits, too."""
    steps: list[JsonValue] = [mail("{{ person.plan }}"), {"set": {"offered": True}}]
    made = capped(home, campaign("offer", "buy", whereupon=steps), caps=[WAITS])
    made.identify("ada", {"plan": "free"}, at=0)
    made.track("buy", "ada", at=1)
    made.track("buy", "ada", at=2)
    assert due(made) == [7 * DAY + 1]
    made.identify("ada", {"plan": "pro"}, at=3)
    made.run(7 * DAY + 1 - 1e-5)
    assert len(made.deliveries()) == 1
    made.run(7 * DAY + 1)
    assert [each.content["subject"] for each in made.deliveries()] == ["free", "pro"]
    assert made.deliveries()[1].due_at == after(7 * DAY + 1)
    assert due(made) == []


def test_a_send_waits_at_most_so_long_and_is_then_left_out(home: Store) -> None:
    """At the end of the time it is asked once more."""
    caps = [WAITS | {"otherwise": {"wait_up_to": "24h"}}]
    steps: list[JsonValue] = [mail(), {"set": {"asked": True}}]
    made = capped(home, campaign("offer", "buy", whereupon=steps), caps=caps)
    made.track("buy", "ada", at=1)
    made.track("buy", "ada", at=2)
    assert due(made) == [DAY + 2]
    made.run(DAY + 2)
    assert states(made) == [SENT, LEFT_OUT]
    assert made.deliveries()[1].due_at == after(DAY + 2)


def test_a_place_that_is_free_at_the_end_of_the_wait_is_taken(home: Store) -> None:
    """The last moment belongs to the wait."""
    caps = [WAITS | {"otherwise": {"wait_up_to": "7d"}}]
    made = capped(home, campaign("offer", "buy", whereupon=[mail()]), caps=caps)
    made.track("buy", "ada", at=1)
    made.track("buy", "ada")
    made.run(7 * DAY + 1)
    assert states(made) == [SENT, SENT]


def test_several_waiting_sends_take_the_places_in_turn(home: Store) -> None:
    """Who waits looks again whenever a place may be free."""
    made = capped(
        home,
        campaign("offer", "buy", whereupon=[mail()]),
        caps=[WAITS | {"otherwise": {"wait_up_to": "30d"}}],
    )
    for minute in range(1, 5):
        made.track("buy", "ada", at=minute)
    made.run(60 * DAY)
    times = [(each.due_at - after(1)) / timedelta(days=1) for each in made.deliveries()]
    assert times == [0, 7, 14, 21]


def test_exits_are_asked_when_the_send_goes_on(home: Store) -> None:
    """Nothing is sent to somebody for whom an exit holds; the entry hears exits while it waits."""
    offer = campaign("offer", "buy", exit=[{"event": "pay"}, {"plan": "pro"}], whereupon=[mail()])
    made = capped(home, offer, caps=[WAITS])
    for minute in (1, 2, 3):
        made.track("buy", "ada", at=minute)
    assert len(due(made)) == 2
    made.track("pay", "ada", at=4)
    assert due(made) == []
    made.track("buy", "ada", at=5)
    made.identify("ada", {"plan": "pro"}, at=6)
    made.run(30 * DAY)
    assert states(made) == [SENT]


def test_a_place_is_free_at_once_whoever_else_is_in_the_batch(home: Store) -> None:
    """When Ben's journey ends says nothing of the place that Ada's has given back."""
    trial = campaign("trial", "try", exit="pay", whereupon=[mail("a"), {"wait": "9d"}, mail("b")])
    made = capped(home, trial, campaign("offer", "buy", whereupon=[mail("c")]), caps=[WAITS])
    for user in ("ada", "ben"):
        made.track("try", user, at=1)
    made.track("buy", "ada", at=2)
    paid = [message(user, name="pay", user=user, at=at) for user, at in (("ada", 10), ("ben", 50))]
    made.engine.take(paid)
    made.run(60)
    assert states(made) == [("withheld", "withdrawn: event")] * 2 + [SENT]
    assert made.deliveries()[-1].due_at == after(10)


def test_of_two_places_that_one_batch_gives_back_the_first_is_taken_at_once(home: Store) -> None:
    """Both journeys are Ada's own; that the second one ends later says nothing of the first one's place."""
    first, second = (
        campaign(
            name, f"try {name}", exit=f"pay {name}", whereupon=[mail(name), {"wait": "9d"}, mail()]
        )
        for name in ("first", "second")
    )
    caps = [WAITS | {"at_most": 2}]
    made = capped(home, first, second, campaign("offer", "buy", whereupon=[mail("c")]), caps=caps)
    for at, event in enumerate(("try first", "try second", "buy")):
        made.track(event, "ada", at=at + 1)
    paid = [
        message(name, name=f"pay {name}", user="ada", at=at)
        for name, at in (("first", 10), ("second", 50))
    ]
    made.engine.take(paid)
    made.run(60)
    assert states(made) == [("withheld", "withdrawn: event")] * 2 + [SENT]
    assert made.deliveries()[-1].due_at == after(10)


def test_a_send_that_begins_to_wait_between_two_ends_looks_again_at_the_second(home: Store) -> None:
    """The place that was given back before is taken already."""
    first, second = (
        campaign(
            name, f"try {name}", exit=f"pay {name}", whereupon=[mail(name), {"wait": "9d"}, mail()]
        )
        for name in ("first", "second")
    )
    caps = [WAITS | {"at_most": 2}]
    made = capped(home, first, second, campaign("offer", "buy", whereupon=[mail("c")]), caps=caps)
    for at, event in enumerate(("try first", "try second")):
        made.track(event, "ada", at=at + 1)
    events = (("pay first", 10), ("buy", 20), ("buy", 30), ("pay second", 50))
    made.engine.take([message(f"m-{at}", name=name, user="ada", at=at) for name, at in events])
    made.run(60)
    sent = [each.due_at for each in made.deliveries() if each.state.value == "pending"]
    assert sent == [after(20), after(50)]


def test_a_send_takes_a_place_that_is_given_back_before_a_later_message_of_the_same_batch(
    home: Store,
) -> None:
    """Which ends its journey: so what it has sent meanwhile is withdrawn, as if each message had come alone."""
    steps: list[JsonValue] = [mail(), {"wait": "9d"}]
    first = campaign("first", "try", exit="pay", whereupon=steps)
    offer = campaign("offer", "buy", exit="stop", whereupon=steps)
    made = capped(home, first, offer, caps=[WAITS])
    made.track("try", "ada", at=1)
    made.track("buy", "ada", at=2)
    made.engine.take(
        [message(name, name=name, user="ada", at=at) for name, at in (("pay", 10), ("stop", 20))]
    )
    made.run(60)
    assert [each.due_at for each in made.deliveries()] == [after(1), after(10)]
    assert states(made) == [("withheld", "withdrawn: event")] * 2


def test_several_full_caps_wait_for_the_last_of_them_or_leave_the_send_out(home: Store) -> None:
    """One of them that skips is enough to leave it out."""
    daily = WAITS | {"per": "1d", "otherwise": {"wait_up_to": "9d"}}
    made = capped(home, campaign("offer", "buy", whereupon=[mail()]), caps=[daily, WAITS])
    made.track("buy", "ada", at=1)
    made.track("buy", "ada", at=2)
    assert due(made) == [7 * DAY + 1]
    made.change_rules(
        {"settings": "settings", "cap": [daily, ONE_A_WEEK]},
        campaign("offer", "buy", whereupon=[mail()]),
    )
    made.run(7 * DAY)
    made.track("buy", "ada", at=7 * DAY)
    assert states(made) == [SENT, LEFT_OUT]


def test_a_preview_can_count_who_is_capped(home: Store) -> None:
    """Those for whom there is no place for the rule's first send of marketing now."""
    news = broadcast("news", {"cron": "0 9 * * *"}, whereupon=[mail()])
    texts = broadcast("texts", {"cron": "0 9 * * *"}, whereupon=[mail(kind="transactional")])
    free = broadcast("free", {"cron": "0 9 * * *"}, cap="exempt", whereupon=[mail()])
    made = capped(home, campaign("offer", "buy", whereupon=[mail()]), news, texts, free)
    made.identify("bob", {}, at=1)
    made.track("buy", "ada", at=1)
    people = [person.key for name in ("ada", "bob") if (person := made.person(name)) is not None]
    book = made.engine.pipeline.index.book
    with home.reading() as session:
        who = {
            (rule.id, minutes): capped_persons(session, people, rule, book.settings, after(minutes))
            for rule in book.rules
            for minutes in (2, 7 * DAY + 1)
        }
    assert {place for place, keys in who.items() if keys} == {("offer", 2), ("news", 2)}
    assert who["news", 2] == {people[0]}


def test_who_waits_is_told(home: Store) -> None:
    """Explain says why an entry waits at a send and until when, and later what became of it."""
    caps = [WAITS | {"otherwise": {"wait_up_to": "24h"}}]
    made = capped(home, campaign("offer", "buy", whereupon=[mail()]), caps=caps)
    made.track("buy", "ada", at=1)
    made.track("buy", "ada", at=2)
    waiting = made.engine.explain("ada", "offer")[0].sentence
    assert "waits until 2026-03-02T12:02:00Z, since they have been sent as much as a cap" in waiting
    made.run(2 * DAY)
    over = made.engine.explain("ada", "offer")[0].sentence
    assert "the entry waited with step 0, which sends" in over
    assert "since they had been sent as much as the cap allows" in over


def test_a_claim_counts_what_it_sends_in_all_of_its_chunks(home: Store) -> None:
    """What an anonymous visitor did is sent for in the order in which it happened, as far as there are places."""
    made = capped(home, campaign("offer", "buy", whereupon=[mail("{{ properties.n }}")]))
    made.engine.pipeline.claim_chunk = 2
    for n in range(5):
        made.track("buy", None, {"n": n}, at=1 + n, anonymous="device")
    made.identify("ada", {}, at=10, anonymous="device")
    made.run(11)
    found = [d for d in made.deliveries() if d.reason is None]
    assert [each.content["subject"] for each in found] == ["0"]
    assert states(made).count(LEFT_OUT) == 4


def test_broadcasts_count_what_was_sent_before(home: Store) -> None:
    """A run leaves out the send to those who have had their share."""
    news = broadcast("news", {"cron": "0 13 * * *"}, whereupon=[mail("News")])
    made = capped(home, campaign("offer", "buy", whereupon=[mail()]), news)
    made.run(1)
    made.identify("bob", {}, at=2)
    made.track("buy", "ada", at=3)
    made.run(61)
    made.run(DAY + 61)
    told = [(each.person, each.rule, each.reason) for each in made.deliveries()]
    assert told == [
        ("ada", "offer", None),
        ("ada", "news", "cap"),
        ("bob", "news", None),
        ("ada", "news", "cap"),
        ("bob", "news", "cap"),
    ]


def test_a_steps_if_and_consent_are_asked_when_the_send_goes_on(home: Store) -> None:
    """Whoever has unsubscribed while the send waited is not sent it; nor is one whom its `if` leaves out."""
    asked = mail() | {"if": {"plan": "free"}}
    made = capped(home, campaign("offer", "buy", whereupon=[asked]), caps=[WAITS])
    made.identify("ada", {"plan": "free"}, at=0)
    made.track("buy", "ada", at=1)
    made.track("buy", "ada", at=2)
    made.identify("ada", {"plan": "pro"}, at=3)
    made.run(7 * DAY + 1)
    assert states(made) == [SENT]
    made.identify("ada", {"plan": "free"}, at=7 * DAY + 2)
    made.track("buy", "ada", at=7 * DAY + 3)
    made.track("buy", "ada", at=7 * DAY + 4)
    made.identify("ada", {"unsubscribed": True}, at=7 * DAY + 5)
    made.run(15 * DAY)
    assert states(made) == [SENT, SENT, ("withheld", "unsubscribed")]


def test_quiet_hours_come_before_caps(home: Store) -> None:
    """What waits for their end takes no place; it is asked when they are over."""
    quiet: File = {"from": "12:00", "until": "14:00", "channels": ["email"]}
    settings: File = {"settings": "settings", "cap": [ONE_A_WEEK], "quiet_hours": quiet}
    urgent = campaign("urgent", "alarm", quiet_hours="off", whereupon=[mail("Alarm")])
    made = world(settings, campaign("offer", "buy", whereupon=[mail()]), urgent, store=home)
    made.track("buy", "ada", at=1)
    made.track("alarm", "ada", at=2)
    made.run(121)
    told = [(each.rule, each.reason) for each in made.deliveries()]
    assert told == [("urgent", None), ("offer", "cap")]


def test_nothing_that_counts_is_left_of_an_erased_person(home: Store) -> None:
    """Somebody who comes with the same id later is somebody new."""
    made = capped(home, campaign("offer", "buy", whereupon=[mail()]))
    made.track("buy", "ada", at=1)
    made.track("Delete Person", "ada", at=2)
    made.track("Unsuppress Person", "ada", at=3)
    made.track("buy", "ada", at=4)
    assert states(made) == [SENT]
