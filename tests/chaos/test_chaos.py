"""A short run of kills, and that its checks see what they are there to see. `make chaos` is the long one."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.chaos.contents import contents_of, differences
from tests.chaos.harness import Verdict, compare, disturbed_and_not
from tests.chaos.killing import PHASES

_KILLS = 12  # one at each point


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stores and the logs of the run are."""
    return tmp_path_factory.mktemp("chaos")


def _url(home: Path, name: str) -> str:
    return f"sqlite:///{home}/{name}.db"


@pytest.fixture(scope="module")
def verdict(home: Path) -> Verdict:
    """A run with kills, compared with the same rounds undisturbed."""
    urls = _url(home, "disturbed"), _url(home, "undisturbed")
    logs = home / "disturbed.log", home / "undisturbed.log"
    return disturbed_and_not(_KILLS, urls, logs, workers=1, seed=5)


def test_a_store_whose_processes_are_killed_ends_as_if_nobody_had_disturbed_them(
    verdict: Verdict,
) -> None:
    """No message lost, nobody in twice, the same claims, decisions and deliveries, each under its key."""
    assert verdict.differences == []


def test_the_kills_are_spread_over_all_that_a_process_does(verdict: Verdict) -> None:
    """Else the run would say little."""
    assert verdict.figures.kills == _KILLS
    assert set(verdict.figures.phases) >= set(PHASES) - {"between two orders"}
    assert verdict.repeated >= 1  # what was taken and not settled was taken again
    assert all(len(verdict.contents[table]) > 5 for table in ("message", "entry", "delivery"))


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("DELETE FROM whereupon_entry WHERE key = (SELECT max(key) FROM whereupon_entry)", "entry"),
        ("UPDATE whereupon_claim SET until = until + 1", "claim"),
        ("UPDATE whereupon_message SET owner = 0 WHERE user_id IS NOT NULL", "message"),
        ("UPDATE whereupon_delivery SET state = 'pending'", "delivery"),
    ],
)
def test_the_comparison_sees_what_is_not_alike(
    sql: str, table: str, verdict: Verdict, home: Path, tmp_path: Path
) -> None:
    """A row less, a later claim, another owner, a delivery not sent."""
    altered = tmp_path / "altered.db"
    altered.write_bytes((home / "disturbed.db").read_bytes())
    engine = create_engine(f"sqlite:///{altered}")
    with engine.begin() as connection:
        connection.execute(text(sql))
    engine.dispose()
    found = differences(verdict.contents, contents_of(f"sqlite:///{altered}"))
    assert found[0] == f"--- {table}, undisturbed"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('["k","c","refused"]', "never dispatched: k"),
        ('["k","c","taken"]\n["k","d","taken"]', "two contents under one idempotency key: k"),
    ],
)
def test_the_comparison_reads_what_the_channels_were_handed(
    line: str, fault: str, verdict: Verdict, home: Path, tmp_path: Path
) -> None:
    """A delivery that no channel took, and a key that came with two contents."""
    log = tmp_path / "channels.log"
    log.write_bytes((home / "disturbed.log").read_bytes() + line.encode() + b"\n")
    undisturbed = _url(home, "undisturbed"), home / "undisturbed.log"
    found = compare(undisturbed, (_url(home, "disturbed"), log), verdict.figures)
    assert fault in found.differences


def test_an_acknowledged_message_that_is_gone_is_a_difference(verdict: Verdict, home: Path) -> None:
    """What was looked for after every kill counts, whatever the stores say in the end."""
    both = _url(home, "undisturbed"), home / "undisturbed.log"
    found = compare(both, both, replace(verdict.figures, lost=["m-1"]))
    assert found.differences == ["acknowledged and lost: m-1"]
