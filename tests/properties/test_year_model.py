"""The engine and the model of time and people agree, day by day. ``make year`` runs many more of them."""

from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.examples import seeds
from tests.paths import RULES
from tests.properties.year_clock import DAY, cron_times, instant_of, local, next_time, on_clock
from tests.properties.year_gates import Gates
from tests.properties.year_model import Household
from tests.properties.year_people import START
from tests.properties.year_rules import Rules
from tests.properties.year_runs import World, by_the_model, compared
from tests.properties.year_words import Said

_PEOPLE = len(seeds(60))
"""Some households; more with ``--hypothesis-profile=deep``."""
_FOLDER = Path(__file__).parent / "year_folder"
_PARIS = ZoneInfo("Europe/Paris")


def test_a_year_of_people_agrees_with_the_model_day_by_day() -> None:
    """Over all rules of the folder: who enters, who does not and why, how entries end, and what is sent or held back."""
    counts, differences = compared(World(RULES, 1, 365, deleted=29), _PEOPLE)
    assert differences == []
    assert {rule for _, rule, _ in counts} >= {rule.id for rule in Rules(RULES).every}


def test_everything_that_time_does_agrees_with_the_model_day_by_day() -> None:
    """Dates, silences, segments and exits by time, waits, quiet hours, caps, priorities, calendar re-entry, own times.

    The folder has them closer together than rules that are good for something.
    """
    world = World(_FOLDER, 3, 120, deleted=29)
    counts, differences = compared(world, _PEOPLE)
    assert differences == []
    assert {rule for _, rule, _ in counts} >= {rule.id for rule in world.rules.every}
    assert {"send push cap", "end segment", "end who"} <= {outcome for _, _, outcome in counts}


# --- what is compared is not the same for other reasons -----------------------------------------------


def test_another_result_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that forgets re-entry differs at some people within a quarter of a year."""
    monkeypatch.setattr(Gates, "refuses", lambda *_: False)
    _, differences = compared(World(RULES, 1, 90), 40)
    assert any("reentry" in line for line in differences)


@pytest.mark.parametrize("key", ["grace: 30m", "rate: 5 per 1m"])
def test_a_rule_that_the_model_does_not_know_is_refused(tmp_path: Path, key: str) -> None:
    """It is no difference of the engine's that the model would leave out in silence."""
    (tmp_path / "hi.yaml").write_text(f"campaign: hi\nwhen: ping\n{key}\n")
    with pytest.raises(NotImplementedError, match="hi"):
        Rules(tmp_path)


def test_a_household_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """A report names the seed, so it can be looked at again."""
    one, other = (World(RULES, seed, 90) for seed in (1, 2))
    assert one.author.year(7) == World(RULES, 1, 90).author.year(7)
    assert one.author.year(7) != other.author.year(7)
    assert by_the_model(one, 3, tmp_path) == by_the_model(World(RULES, 1, 90), 3, tmp_path)


def test_the_model_by_hand(tmp_path: Path) -> None:
    """One household, computed by a person: a cart that is ordered, and one that is not."""
    (tmp_path / "cart.yaml").write_text(
        "campaign: cart\nwhen: Cart\nreentry: not_while_active\nexit: Order\n"
        "whereupon: [{wait: 1d}, {send: push, title: Hi}]\n"
    )
    said = [
        Said(name, "track", name.split()[0], "ada", None, {}, START + at, START + at)
        for name, at in (("Cart 1", 0), ("Cart 2", 7), ("Order", 9), ("Cart 3", 3 * DAY))
    ]
    household = Household(Rules(tmp_path), [])
    household.live(said, START + 9 * DAY)
    first = START // DAY
    assert household.counts == {
        (first, "cart", "entered"): 1,
        (first, "cart", "reentry"): 1,
        (first, "cart", "end event"): 1,
        (first + 3, "cart", "entered"): 1,
        (first + 4, "cart", "send push pending"): 1,
        (first + 4, "cart", "end completed"): 1,
    }


def test_the_clock_by_hand() -> None:
    """What Paris does on 29 March and on 25 October 2026, and the last Mondays and days of months."""

    def read(at: int) -> str:
        return local(at, ZoneInfo("UTC")).strftime("%m-%d %H:%M")

    assert read(on_clock(date(2026, 3, 29), time(2, 30), _PARIS)) == "03-29 01:00"
    assert read(on_clock(date(2026, 10, 25), time(2, 30), _PARIS)) == "10-25 00:30"
    friday = instant_of(datetime(2026, 3, 27, 10, tzinfo=_PARIS))
    assert read(next_time(friday, "09:00", ["mon"], _PARIS)) == "03-30 07:00"
    ends = cron_times("0 9 L * *", _PARIS, START, START + 90 * DAY)
    assert [read(at) for at in ends] == ["01-31 08:00", "02-28 08:00", "03-31 07:00"]
