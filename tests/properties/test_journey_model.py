"""The engine and the model of journeys agree. ``make journeys`` runs many more of them."""

import pytest
from tests.examples import seeds
from tests.properties.journey_model import Model
from tests.properties.journey_runs import (
    SEEN,
    Examiner,
    Killer,
    Place,
    by_the_model,
    examine,
    journey,
    on_a_server,
    places,
)
from tests.properties.journey_world import Data
from tests.properties.journeys import Journey, smallest
from tests.servers import Server

_SEEDS = seeds(160)
"""Some journeys; more with ``--hypothesis-profile=deep``."""


def test_the_engine_and_the_model_agree_on_generated_journeys() -> None:
    """Whoever enters, waits, is sent something, converts and leaves does so in both, however the engine is driven."""
    reports, seen = examine(_SEEDS, "memory")
    assert reports == []
    assert seen["kills"] > len(_SEEDS)
    assert all(seen[word] for word in SEEN), seen


def test_they_agree_on_sqlite() -> None:
    """Statements of a transaction that is killed leave nothing behind."""
    reports, seen = examine(_SEEDS[::8], "sqlite")
    assert reports == []
    assert seen["kills"] > 10


def test_they_agree_on_postgresql(server: Server) -> None:
    """The same on the tests' server."""
    killer = Killer()
    with on_a_server(server, killer) as place:
        examiner = Examiner(place)
        assert [*filter(None, map(examiner.report, _SEEDS[::16]))] == []
    assert killer.kills > 5


def test_they_agree_on_entries_that_are_due_at_one_instant() -> None:
    """One rule leaves by what another sets at that very instant: its id is less, so it goes first, and does not leave."""
    reports, _ = examine([3_000_038], "memory")
    assert reports == []


# --- what is compared is not the same for other reasons -----------------------------------------------


@pytest.fixture
def place() -> Place:
    """Empty stores in memory."""
    with places("memory", Killer()) as found:
        return found


def test_another_result_is_seen_and_its_journey_cut_down(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that forgets the rule of re-entry differs, and one rule and two messages show it."""
    monkeypatch.setattr(Model, "_refuses", lambda *_: False)
    examiner = Examiner(place)
    seed = next(seed for seed in range(100) if examiner.differences(journey(seed), seed))
    least = smallest(journey(seed), lambda each: examiner.fails(each, seed))
    assert len(least.rules) == 1
    assert sum(len(each.get("arrive", ())) for each in least.happens) <= 3
    assert "reentry" in str(least)


def test_a_journey_is_the_same_for_the_same_seed() -> None:
    """A report names the seed, so it can be looked at again."""
    assert journey(7) == journey(7)
    assert journey(7) != journey(8)


def test_the_model_by_hand() -> None:
    """One journey, computed by a person: a cart that is paid for while it waits."""
    steps: list[Data] = [{"wait_for": [{"event": "order", "then": ["exit"]}], "up_to": "1h"}]
    steps += [{"send": "push", "title": "Still there?"}]
    rule = {"campaign": "cart", "when": "cart", "reentry": "once", "whereupon": steps}
    noon = 1_772_452_800

    def track(name: str, event: str, user: str, at: int) -> Data:
        return {"type": "track", "messageId": name, "event": event, "userId": user, "at": at}

    carts = [track("a", "cart", "ada", noon - 1), track("b", "cart", "ben", noon)]
    happens: list[Data] = [{"arrive": carts}, {"pass": 1800}]
    happens += [{"arrive": [track("c", "order", "ada", noon + 1800)]}, {"pass": 7200}]
    assert by_the_model(Journey([rule], happens)) == [
        f"cart ada opened {noon - 1} ended ('step', {noon + 1800}) [] [('passed', '0', '0')] converted None",
        f"cart ben Still there? pending at {noon + 3600}",
        f"cart ben opened {noon} ended ('completed', {noon + 3600}) [] [('expired', '0', 'else')] converted None",
    ]
