"""`when: {quiet: …, for: …}`: a person's silence opens a rule, on every kind of store."""

import pytest
from tests.rule_files import File, campaign
from tests.worlds import DAY, HOUR, World, after, message, world

from whereupon.ports import Store
from whereupon.records import Breaking

TITLE = "{{ properties.quiet_since }} {{ properties.last_event | default: 'never' }}"
NAMED: File = {"quiet": ["Signed In", "Order *"], "for": "60d"}
JUST_BEFORE = 1 / 60_000_000
"""A microsecond, in minutes."""


def _rule(when: File = NAMED, **keys: object) -> File:
    usual: File = {"whereupon": [{"send": "push", "title": TITLE}]}
    return campaign("come-back", when, **(usual | keys))  # type: ignore[arg-type]  # JSON


@pytest.fixture
def made(home: Store) -> World:
    """A world in which people are missed after sixty days."""
    return world(_rule(), store=home)


def _has_signed_in(made: World, user: str) -> bool:
    """Whether the person has signed in since twenty days after noon of 1 March."""
    person = made.person(user)
    assert person is not None
    with made.home.session() as session:
        signs = Breaking(frozenset({"Signed In"}))
        return bool(session.last_messages(signs, {person.key: after(20 * DAY)}))


def test_a_silence_opens_the_rule_when_it_has_lasted_for_that_long(made: World) -> None:
    """At the exact moment, and once."""
    made.track("Signed In", "ada")
    made.run(60 * DAY - JUST_BEFORE)
    assert made.decided == []
    made.run(60 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "entered")]
    made.run(400 * DAY)
    assert len(made.decided) == 1
    assert made.titles() == ["2026-03-01T12:00:00Z Signed In"]
    assert made.timers() == []


def test_each_such_message_moves_the_timer(made: World) -> None:
    """By an exact name or by its beginning; other messages do not, and a moved timer writes nothing."""
    made.track("Signed In", "ada")
    before = made.timers()
    made.track("Order Completed", "ada", at=30 * DAY)
    made.track("Order", "ada", at=40 * DAY)
    made.track("Signed Out", "ada", at=50 * DAY)
    made.identify("ada", {"plan": "pro"}, at=50 * DAY)
    assert made.timers() == before
    made.run(200 * DAY)
    assert made.moments() == [("ada", "05-30 12:00", "entered")]
    assert made.titles() == ["2026-03-31T12:00:00Z Order Completed"]


def test_quiet_any_means_no_message_at_all(home: Store) -> None:
    """Of whatever type; a message that a rule's own step sent does not count."""
    helper = campaign(
        "helper", "Signed In", whereupon=[{"wait": "10d"}, {"track": "Reminded"}, {"set": {"x": 1}}]
    )
    made = world(_rule({"quiet": "any", "for": "30d"}), helper, store=home)
    made.track("Signed In", "ada")
    made.identify("ben", {})
    made.send("page", "ben", {"name": "Home"}, {"at": 5 * DAY})
    made.run(200 * DAY)
    found = [(d.person, f"{d.timestamp:%m-%d}") for d in made.decided if d.rule == "come-back"]
    assert found == [("ada", "03-31"), ("ben", "04-05")]


def test_what_a_rules_own_step_tracks_does_not_break_a_silence(home: Store) -> None:
    """Though its name is one of those that do."""
    helper = campaign(
        "helper", "Signed In", whereupon=[{"wait": "10d"}, {"track": "Order Proposed"}]
    )
    made = world(_rule(), helper, store=home)
    made.track("Signed In", "ada")
    made.run(200 * DAY)
    found = [(d.person, f"{d.timestamp:%m-%d}") for d in made.decided if d.rule == "come-back"]
    assert found == [("ada", "04-30")]


def test_somebody_who_never_sent_one_counts_from_when_they_became_known(made: World) -> None:
    """A known person only: nobody anonymous is missed."""
    made.track("Signed In", anonymous="anon-1")
    made.identify("ada", {}, at=HOUR)
    made.run(200 * DAY)
    assert made.moments() == [("ada", "04-30 13:00", "entered")]
    assert made.titles() == ["2026-03-01T13:00:00Z never"]


def test_somebody_who_broke_it_before_they_became_known_does_not_count_from_then(
    made: World,
) -> None:
    """Also when the store is asked anew: after a merge, and for whoever looks."""
    made.track("Signed In", anonymous="anon-1")
    made.identify("ada", {}, anonymous="anon-1", at=DAY)
    made.identify("bob", {}, at=30 * DAY)
    made.run(60 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "entered")]
    made.send("alias", "bob", {"previousId": "ada"}, {"at": 60 * DAY + HOUR})
    made.run(200 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "entered")]


def test_somebody_who_comes_back_is_missed_again(made: World) -> None:
    """Once for each silence."""
    made.track("Signed In", "ada")
    made.run(70 * DAY)
    made.track("Signed In", "ada", at=80 * DAY)
    made.run(300 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "entered"), ("ada", "07-19 12:00", "entered")]


def test_a_message_that_arrives_late_counts_by_its_own_time(made: World) -> None:
    """One that happened before the last changes nothing; one after a silence has fired begins another."""
    made.track("Signed In", "ada")
    made.track("Order Shipped", "ada", at=20 * DAY)
    made.track("Signed In", "ada", at=10 * DAY, arrives=25 * DAY)
    made.run(90 * DAY)
    assert made.moments() == [("ada", "05-20 12:00", "entered")]
    made.track("Signed In", "ada", at=70 * DAY, arrives=90 * DAY)
    made.run(300 * DAY)
    assert made.moments()[1:] == [("ada", "07-09 12:00", "entered")]


def test_claimed_messages_move_the_timer(made: World) -> None:
    """What the person did anonymously breaks the silence when it is theirs, by its own time."""
    made.identify("ada", {})
    made.track("Signed In", anonymous="anon-1", at=20 * DAY)
    made.track("Signed Out", "ada", anonymous="anon-1", at=30 * DAY)
    made.run(75 * DAY)
    assert made.decided == []
    made.run(300 * DAY)
    assert made.moments() == [("ada", "05-20 12:00", "entered")]


def test_claimed_messages_begin_a_silence_anew(made: World) -> None:
    """Also where the one before has opened the rule already."""
    made.identify("ada", {})
    made.run(61 * DAY)
    made.track("Signed In", anonymous="anon-1", at=62 * DAY)
    made.track("Signed Out", "ada", anonymous="anon-1", at=70 * DAY)
    made.run(300 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "entered"), ("ada", "07-01 12:00", "entered")]


def test_messages_of_two_who_merge_break_one_silence(made: World) -> None:
    """The last of either counts."""
    made.track("Signed In", "ada")
    made.track("Signed In", "ada-2", at=20 * DAY)
    made.alias("ada", "ada-2", at=30 * DAY)
    made.run(300 * DAY)
    assert made.moments() == [("ada", "05-20 12:00", "entered")]


def test_a_merge_brings_a_silence_back_to_somebody_who_was_missed(made: World) -> None:
    """Whoever of the two was missed, what the other sent since begins another silence."""
    made.track("Signed In", "ada")
    made.track("Signed In", "ada-2", at=50 * DAY)
    made.run(61 * DAY)
    made.alias("ada", "ada-2", at=62 * DAY)
    made.run(300 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "entered"), ("ada", "06-19 12:00", "entered")]


def test_a_message_that_turns_out_to_be_another_persons_breaks_theirs_alone(made: World) -> None:
    """A claim that comes late gives it to whoever had the device then; the first is missed sooner again."""
    made.identify("ada", {})
    made.track("Signed In", "ada", at=10 * DAY)
    made.identify("ben", {}, at=11 * DAY)
    made.track("Signed In", anonymous="anon-1", at=30 * DAY)
    made.identify("ada", {}, anonymous="anon-1", at=31 * DAY)
    assert _has_signed_in(made, "ada")
    made.run(70 * DAY - HOUR)
    made.identify("ben", {"x": 1}, anonymous="anon-1", at=30 * DAY + 1, arrives=70 * DAY - HOUR)
    assert not _has_signed_in(made, "ada")
    made.run(300 * DAY)
    assert made.moments() == [("ada", "05-10 12:00", "entered"), ("ben", "05-30 12:00", "entered")]


def test_it_fires_late_within_max_age_after_a_standstill(made: World) -> None:
    """As of its own moment; what is older is recorded as skipped."""
    made.track("Signed In", "ada")
    made.track("Signed In", "ben", at=10 * DAY)
    made.clock.move_to(made.clock.now().replace(month=5, day=11))
    made.run(71 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "too-old"), ("ben", "05-10 12:00", "entered")]


def test_somebody_who_comes_back_during_a_standstill_was_missed_before(made: World) -> None:
    """The silence had lasted for long enough before the message came."""
    made.track("Signed In", "ada")
    made.track("Signed In", "ada", at=61 * DAY)
    made.run(62 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "entered")]


def test_an_erased_person_is_not_missed(made: World) -> None:
    """Nothing of the timer is left."""
    made.track("Signed In", "ada")
    made.track("Delete Person", "ada", at=DAY)
    assert made.timers() == []
    made.run(200 * DAY)
    assert made.decided == []


def test_people_who_are_there_already_are_armed_when_the_rule_is_new(home: Store) -> None:
    """A silence that had lasted for long enough before opens nothing."""
    made = world(store=home)
    made.identify("ada", {})
    made.track("Signed In", "ada", at=40 * DAY)
    made.identify("ben", {}, at=50 * DAY)
    made.track("Signed In", "cid", at=0, arrives=50 * DAY)
    made.run(65 * DAY)
    made.change_rules(_rule())
    made.run(200 * DAY)
    assert made.moments() == [("ada", "06-09 12:00", "entered"), ("ben", "06-19 12:00", "entered")]


def test_a_rule_that_misses_people_sooner_or_later_misses_nobody_twice_for_one_silence(
    made: World,
) -> None:
    """The entry is known by the beginning of the silence."""
    made.track("Signed In", "ada")
    made.run(65 * DAY)
    made.change_rules(_rule({**NAMED, "for": "90d"}))
    made.run(200 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "entered")]


def test_who_reentry_exits_and_goals_work_as_everywhere(home: Store) -> None:
    """They are asked at the moment, and what the moment opened ends as any entry does."""
    rule = _rule(
        who={"plan": "pro"},
        exit="Cancelled",
        goal={"event": "Signed In", "within": "30d"},
        reentry={"once_per": "300d"},
        whereupon=[{"wait": "1d"}, {"send": "push", "title": "Hi"}],
    )
    made = world(rule, store=home)
    for name, plan in (("ada", "pro"), ("ben", "free"), ("cid", "pro")):
        made.identify(name, {"plan": plan})
    made.run(60 * DAY)
    made.track("Cancelled", "cid", at=60 * DAY + 1)
    made.track("Signed In", "ada", at=70 * DAY)
    made.run(200 * DAY)
    assert made.verdicts == [
        ("ada", "come-back", "entered"),
        ("ben", "come-back", "who"),
        ("cid", "come-back", "entered"),
        ("ada", "come-back", "reentry"),
    ]
    assert made.titles() == ["Hi"]


@pytest.mark.parametrize("size", [1, 2, 9])
def test_the_outcome_does_not_depend_on_which_messages_share_a_batch(
    home: Store, size: int
) -> None:
    """Silences begin, end and are broken within one batch of a replay."""
    made = world(_rule({"quiet": "Signed In", "for": "10d"}), store=home)
    made.track("Signed In", "ada", at=-DAY, arrives=0)
    days = {"ada": [1, 5, 20, 21, 40], "ben": [3, 12, 30]}
    sent = sorted((day, name) for name, listed in days.items() for day in listed)
    told = [
        message(f"m-{name}-{day}", name="Signed In", user=name, at=day * DAY) for day, name in sent
    ]
    for first in range(0, len(told), size):
        part = told[first : first + size]
        made.decided += made.engine.take(part, until=part[-1].received_at).decisions
        made.clock.move_to(part[-1].received_at)
    made.run(60 * DAY)
    found = [(person, date) for person, date, _ in made.moments()]
    assert found == [
        ("ada", "03-16 12:00"),
        ("ben", "03-23 12:00"),
        ("ada", "04-01 12:00"),
        ("ben", "04-10 12:00"),
        ("ada", "04-20 12:00"),
    ]


@pytest.mark.parametrize("size", [1, 9])
def test_what_was_due_before_a_message_of_somebody_else_is_not_late_by_it(
    home: Store, size: int
) -> None:
    """A batch without due work wakes each person with their own message, as of when the silence had lasted."""
    steps: list[File] = [{"wait": "1d"}, {"send": "push", "title": "Hi"}]
    made = world(_rule({"quiet": "Signed In", "for": "10d"}, whereupon=steps), store=home)
    for name in ("ada", "ben"):
        made.track("Signed In", name, at=0)
    sent = [("ben", 5), ("ben", 12), ("ada", 13)]
    told = [
        message(f"m-{name}-{day}", name="Signed In", user=name, at=day * DAY) for name, day in sent
    ]
    for first in range(0, len(told), size):
        made.engine.take(told[first : first + size])
    made.run(14 * DAY)
    assert [(d.person, d.due_at) for d in made.deliveries()] == [("ada", after(11 * DAY))]


def test_a_claim_that_is_carried_out_in_chunks_moves_the_timer(made: World) -> None:
    """What it brings that is too old begins no silence that would be over already."""
    made.identify("ada", {})
    made.run(61 * DAY)
    for start in range(0, 700, 100):
        made.engine.ingest(
            [
                {
                    "type": "track",
                    "event": "Signed In" if number % 2 else "Seen",
                    "anonymousId": "anon-1",
                    "messageId": f"m-{number}",
                    "timestamp": after(40 * DAY + number).isoformat(),
                }
                for number in range(start, start + 100)
            ]
        )
    made.identify("ada", {"x": 1}, anonymous="anon-1", at=61 * DAY)
    made.run(300 * DAY)
    assert made.moments() == [("ada", "04-30 12:00", "entered"), ("ada", "06-09 23:39", "entered")]


def test_claimed_messages_whose_silence_would_be_over_already_open_nothing(made: World) -> None:
    """Also where the claim is carried out in chunks."""
    made.identify("ada", {})
    made.track("Signed In", "ada", at=30 * DAY)
    made.run(91 * DAY)
    made.engine.ingest(
        [
            {
                "type": "track",
                "event": "Signed In",
                "anonymousId": "anon-1",
                "messageId": f"m-{number}",
                "timestamp": after(30 * DAY + number).isoformat(),
            }
            for number in range(400)
        ]
    )
    made.identify("ada", {"x": 1}, anonymous="anon-1", at=91 * DAY)
    made.run(300 * DAY)
    assert made.moments() == [("ada", "05-30 12:00", "entered")]
