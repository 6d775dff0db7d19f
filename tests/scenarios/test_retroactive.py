"""Which claimed messages a rule takes: `retroactive`, `max_age`, and late arrivals."""

import pytest
from pydantic import JsonValue
from tests.rule_files import File, campaign
from tests.worlds import DAY, HOUR, World, after, world

from whereupon.ports import Store


def shop(home: Store, **policy: JsonValue) -> World:
    """A campaign on every purchase under a policy."""
    return world(campaign("thanks", "purchase", **policy), store=home)


def bought(made: World, *minutes: float, arrives: float | None = None) -> None:
    """Purchases on a phone without a known person; each is named after its minute."""
    for at in minutes:
        arrival = at if arrives is None else arrives
        made.track("purchase", anonymous="phone", message_id=f"at-{at:g}", at=at, arrives=arrival)


def claimed(made: World, at: float, user: str = "ada") -> None:
    """The phone is claimed."""
    made.identify(user, anonymous="phone", at=at, arrives=max(at, 0))


@pytest.mark.parametrize(("take", "entered"), [("first", "at-0"), ("last", "at-2")])
def test_a_rule_takes_the_first_or_last_of_a_claim(home: Store, take: str, entered: str) -> None:
    """By the time at which they happened; the decisions on the others say why."""
    made = shop(home, retroactive={"take": take})
    bought(made, 2, 0, 1)
    claimed(made, 3)
    assert made.entered == [entered]
    assert sorted(made.outcomes) == ["entered", "retroactive-take", "retroactive-take"]


@pytest.mark.parametrize(
    ("take", "entered"), [("first", ["at-0", "at-20"]), ("last", ["at-1", "at-21"])]
)
def test_a_rule_takes_one_of_each_claim(home: Store, take: str, entered: list[str]) -> None:
    """Two logins are two claims, though they are one run."""
    made = shop(home, retroactive={"take": take})
    bought(made, 0, 1)
    claimed(made, 2)
    bought(made, 20, 21)
    claimed(made, 22)
    assert made.entered == entered
    assert len(made.engine.identity("ada").anonymous_ids[0].claims) == 1


def test_each_of_two_people_on_a_device_is_taken_one_message(home: Store) -> None:
    """A claim only brings its own messages."""
    made = shop(home, retroactive={"take": "last"})
    bought(made, 0, 1)
    claimed(made, 2)
    bought(made, 20, 21)
    claimed(made, 22, "ben")
    assert [(d.message_id, d.person) for d in made.decided if d.reason is None] == [
        ("at-1", "ada"),
        ("at-21", "ben"),
    ]


def test_only_what_the_rule_is_open_to_can_be_first(home: Store) -> None:
    """A message that `where`, `within` or `max_age` rules out leaves its place to the next."""
    made = shop(home, where={"price": {"gt": 10}}, retroactive={"take": "first", "within": "24h"})
    for name, price, at in [("old", 20, 0), ("cheap", 5, DAY), ("dear", 20, DAY + 1)]:
        properties: JsonValue = {"price": price}
        made.track("purchase", anonymous="phone", properties=properties, message_id=name, at=at)
    made.track(
        "purchase", anonymous="phone", properties={"price": 30}, message_id="next", at=DAY + 2
    )
    claimed(made, DAY + 3)
    assert {d.message_id: d.reason for d in made.decided} == {
        "old": "too-old",
        "cheap": "where",
        "dear": None,
        "next": "retroactive-take",
    }


@pytest.mark.parametrize("take", ["first", "last"])
@pytest.mark.parametrize("at", [0.5, 3])
def test_what_arrives_after_its_claim_is_not_taken_beside_what_was(
    home: Store, take: str, at: float
) -> None:
    """One message of a claim is taken; a late or an earlier message is not a second one."""
    made = shop(home, retroactive={"take": take})
    bought(made, 1)
    claimed(made, 2)
    bought(made, at, arrives=4)
    assert made.entered == ["at-1"]
    assert made.outcomes[-1] == "retroactive-take"


def test_a_late_message_is_taken_where_its_claim_took_none(home: Store) -> None:
    """The result is the same in both orders; of two late messages the first to arrive is taken."""
    made = shop(home, retroactive={"take": "last"})
    claimed(made, 2)
    bought(made, 1, arrives=3)
    bought(made, 0, arrives=3)
    assert made.outcomes == ["entered", "retroactive-take"]


def test_a_late_message_of_the_next_claim_is_taken_for_itself(home: Store) -> None:
    """The message that the earlier claim took does not count."""
    made = shop(home, retroactive={"take": "first"})
    bought(made, 0)
    claimed(made, 1)
    claimed(made, 20)
    bought(made, 15, arrives=21)
    assert made.entered == ["at-0", "at-15"]


def test_a_late_message_is_kept_apart_from_what_a_claim_brought_a_month_before(home: Store) -> None:
    """However far apart two claims of one run are, each brings its own messages."""
    month = 30 * DAY
    made = shop(home, max_age="40d", retroactive={"take": "first", "within": "40d"})
    claimed(made, -DAY)
    claimed(made, 0)
    bought(made, 2)
    claimed(made, month + 4)
    bought(made, month + 6)
    assert made.entered == ["at-2", f"at-{month + 6:g}"]


def test_a_late_message_is_not_measured_by_a_claim_before_somebody_elses(home: Store) -> None:
    """Ada's claim, Ben's, and Ada's again: messages of the first claim do not count for the third."""
    made = shop(home, retroactive={"take": "first"})
    bought(made, 0)
    claimed(made, 2)
    claimed(made, 10, "ben")
    claimed(made, 30)
    bought(made, 33, 34)
    assert made.entered == ["at-0", "at-33"]


@pytest.mark.parametrize("together", [True, False])
def test_a_claim_of_the_same_batch_may_be_what_brings_a_late_message(
    home: Store, *, together: bool
) -> None:
    """It happened before the claim that took one, and brings what that one took, for all divisions into batches."""
    made = shop(home, retroactive={"take": "last"}, max_age="90d")
    bought(made, 0)
    claimed(made, 29 * DAY)
    claim: File = {"type": "identify", "userId": "ada", "timestamp": after(3 * DAY).isoformat()}
    late: File = {
        "type": "track",
        "event": "purchase",
        "timestamp": after(-27 * DAY).isoformat(),
    }
    coming = [arrival | {"anonymousId": "phone"} for arrival in (claim, late)]
    for batch in [coming] if together else [[each] for each in coming]:
        made.decided += made.engine.ingest(batch).decisions
    assert made.outcomes == ["entered", "retroactive-take"]


def test_what_a_person_does_under_their_own_name_is_no_claims(home: Store) -> None:
    """`retroactive` only concerns claimed messages."""
    made = shop(home, retroactive={"take": "first"})
    bought(made, 0)
    claimed(made, 1)
    made.track("purchase", "ada", message_id="own", at=2)
    assert made.entered == ["at-0", "own"]


@pytest.mark.parametrize(("at", "outcome"), [(0, "entered"), (-1, "too-old")])
def test_within_is_measured_from_the_claim(home: Store, at: float, outcome: str) -> None:
    """To the limit itself."""
    made = shop(home, retroactive={"within": "1h"})
    bought(made, at, arrives=0)
    claimed(made, HOUR)
    assert made.outcomes == [outcome]


@pytest.mark.parametrize("policy", [{"max_age": "1h"}, {"retroactive": {"within": "1h"}}])
@pytest.mark.parametrize(("arrives", "outcome"), [(HOUR, "entered"), (HOUR + 1, "too-old")])
def test_the_age_of_a_late_message_is_measured_to_its_arrival(
    home: Store, policy: File, arrives: float, outcome: str
) -> None:
    """`max_age` and `within` are measured to when the message and the claim had both arrived."""
    made = shop(home, **policy)
    claimed(made, 0)
    bought(made, 0, arrives=arrives)
    assert made.outcomes == [outcome]


def test_a_rule_that_does_not_look_back_takes_nothing_that_was_claimed(home: Store) -> None:
    """`retroactive: false`, for waiting messages and for late ones."""
    made = shop(home, retroactive=False)
    bought(made, 0)
    claimed(made, 1)
    bought(made, 2, arrives=3)
    assert made.outcomes == ["retroactive-off", "retroactive-off"]
