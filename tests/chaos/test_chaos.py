"""A short run of kills, and tests of its checks. `make chaos` is the long run."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.chaos import serving
from tests.chaos.contents import Handed, contents_of, differences
from tests.chaos.harness import Verdict, compare, disturbed_and_not
from tests.chaos.killing import PHASES, Victim
from tests.servers import Server, mortal

_KILLS = 12  # one at each point


@dataclass(frozen=True)
class Stores:
    """A run's two stores and logs, and their comparison; the disturbed one comes first."""

    urls: tuple[str, str]
    logs: tuple[Path, Path]
    verdict: Verdict


def _logs(home: Path) -> tuple[Path, Path]:
    return home / "disturbed.log", home / "undisturbed.log"


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """A run with kills on SQLite, compared with the same rounds undisturbed."""
    home = tmp_path_factory.mktemp("chaos")
    urls = f"sqlite:///{home}/disturbed.db", f"sqlite:///{home}/undisturbed.db"
    verdict = disturbed_and_not(_KILLS, urls, _logs(home), workers=1, seed=5)
    return Stores(urls, _logs(home), verdict)


@pytest.fixture(scope="module")
def postgresql(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """A run with kills of two processes on PostgreSQL."""
    home = tmp_path_factory.mktemp("chaos")
    with server.empty() as disturbed, server.empty() as undisturbed:
        urls = disturbed, undisturbed
        verdict = disturbed_and_not(_KILLS, urls, _logs(home), workers=2, seed=5)
        yield Stores(urls, _logs(home), verdict)


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """Such a run, on each kind of database."""
    ran: Stores = request.getfixturevalue(request.param)
    return ran


@pytest.fixture
def verdict(stores: Stores) -> Verdict:
    """How the run compares."""
    return stores.verdict


def test_a_store_whose_processes_are_killed_ends_as_if_nobody_had_disturbed_them(
    verdict: Verdict,
) -> None:
    """No message is lost, nobody enters twice; claims, decisions and deliveries are the same, each under its key."""
    assert verdict.differences == []


def test_the_kills_are_spread_over_all_that_a_process_does(verdict: Verdict) -> None:
    """Otherwise the run would show little."""
    assert verdict.figures.kills == _KILLS
    assert set(verdict.figures.phases) >= set(PHASES) - {"between two orders"}
    assert verdict.repeated >= 1  # what was taken and not settled was taken again
    assert all(len(verdict.contents[table]) > 5 for table in ("message", "entry", "delivery"))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_is_delivered_over_the_network_arrives_and_twice_only_if_its_call_was_under_way(
    database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A mail server and an HTTP server that are not killed count what comes under each idempotency key."""
    home = tmp_path_factory.mktemp("network")
    with ExitStack() as stores:
        if database == "sqlite":
            urls = f"sqlite:///{home}/disturbed.db", f"sqlite:///{home}/undisturbed.db"
        else:
            server: Server = request.getfixturevalue("server")
            urls = stores.enter_context(server.empty()), stores.enter_context(server.empty())
        verdict = disturbed_and_not(6, urls, _logs(home), workers=2, seed=3, at=Victim.DELIVERY)
    assert verdict.differences == []
    assert verdict.figures.kills == 6
    assert verdict.dispatched > 100
    assert verdict.figures.under_way


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_people_go_through_journeys_as_if_nobody_had_killed_the_processes(
    database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """They wait, take arms, are sent things and leave alike, and nothing is done twice."""
    home = tmp_path_factory.mktemp("journeys")
    with ExitStack() as stores:
        workers = 1
        if database == "sqlite":
            urls = f"sqlite:///{home}/disturbed.db", f"sqlite:///{home}/undisturbed.db"
        else:
            server: Server = request.getfixturevalue("server")
            urls = stores.enter_context(server.empty()), stores.enter_context(server.empty())
            workers = 2
        verdict = disturbed_and_not(
            6, urls, _logs(home), workers=workers, seed=4, at=Victim.JOURNEY
        )
    assert verdict.differences == []
    assert verdict.figures.kills == 6
    passed = [entry for entry in verdict.contents["entry"] if '"passed"' in entry]
    expired = [entry for entry in verdict.contents["entry"] if '"expired"' in entry]
    assert passed
    assert expired


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_broadcasts_reach_each_person_once_whatever_is_killed(
    database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """At each person's own time, at a rate, and beside a holdout: as if nobody had killed the processes."""
    home = tmp_path_factory.mktemp("broadcasts")
    with ExitStack() as stores:
        if database == "sqlite":
            urls = f"sqlite:///{home}/disturbed.db", f"sqlite:///{home}/undisturbed.db"
        else:
            server: Server = request.getfixturevalue("server")
            urls = stores.enter_context(server.empty()), stores.enter_context(server.empty())
        verdict = disturbed_and_not(5, urls, _logs(home), workers=1, seed=6, at=Victim.BROADCAST)
    assert verdict.differences == []
    assert verdict.figures.kills == 5
    entries = verdict.contents["entry"]
    for name in ("digest@", "slowly", "hourly@"):
        assert len([entry for entry in entries if name in entry]) > 5, name


@pytest.mark.parametrize(("database", "processes"), [("sqlite", 1), ("postgresql", 2)])
def test_a_server_that_is_killed_under_load_loses_nothing_that_it_acknowledged(
    database: str, processes: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Every acknowledged message is there after each kill, and has led to one entry and one delivery."""
    with ExitStack() as stores:
        if database == "sqlite":
            url = f"sqlite:///{tmp_path}/store.db"
        else:
            server: Server = request.getfixturevalue("server")
            url = stores.enter_context(server.empty())
        served = serving.run(url, tmp_path, kills=6, seed=7, processes=processes)
    assert served.faults == []
    assert served.kills.total() == 6
    assert served.messages > 6
    assert served.resent


def test_a_delivery_that_arrives_twice_without_a_kill_is_a_difference(sqlite: Stores) -> None:
    """Only a call that was under way at a kill may be made again."""
    log = sqlite.logs[0]
    handed = Handed(log)
    key = next(iter(handed.times))
    handed.times[key] = 3
    assert any(key in fault for fault in handed.unexplained(Counter({key: 1})))
    assert not any(key in fault for fault in handed.unexplained(Counter({key: 2})))


def test_a_server_that_is_killed_under_the_processes_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """They go on when it is back; whether they notice it depends on what they were doing."""
    home = tmp_path_factory.mktemp("crash")
    with (
        mortal() as server,
        server.empty() as disturbed,
        server.empty() as undisturbed,
    ):
        urls = disturbed, undisturbed
        verdict = disturbed_and_not(
            2, urls, _logs(home), workers=1, seed=2, server=server, at=Victim.SERVER
        )
    assert verdict.differences == []
    assert verdict.figures.kills == 2


_ALTERED = [
    ("DELETE FROM whereupon_entry WHERE key = (SELECT max(key) FROM whereupon_entry)", "entry"),
    ("UPDATE whereupon_claim SET until = until + 1", "claim"),
    ("UPDATE whereupon_message SET owner = 0 WHERE user_id IS NOT NULL", "message"),
    ("UPDATE whereupon_delivery SET state = 'pending'", "delivery"),
]


@pytest.mark.parametrize(("sql", "table"), _ALTERED)
def test_the_comparison_sees_what_is_not_alike(
    sql: str, table: str, sqlite: Stores, tmp_path: Path
) -> None:
    """A missing row, a later claim, another owner, an unsent delivery."""
    altered = tmp_path / "altered.db"
    altered.write_bytes(Path(sqlite.urls[0].removeprefix("sqlite:///")).read_bytes())
    engine = create_engine(f"sqlite:///{altered}")
    with engine.begin() as connection:
        connection.execute(text(sql))
    engine.dispose()
    found = differences(sqlite.verdict.contents, contents_of(f"sqlite:///{altered}"))
    assert found[0] == f"--- {table}, undisturbed"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('["k","c","refused"]', "never dispatched: k"),
        ('["k","c","taken"]\n["k","d","taken"]', "two contents under one idempotency key: k"),
    ],
)
def test_the_comparison_reads_what_the_channels_were_handed(
    line: str, fault: str, sqlite: Stores, tmp_path: Path
) -> None:
    """A delivery that no channel got, and a key with two contents."""
    log = tmp_path / "channels.log"
    log.write_bytes(sqlite.logs[0].read_bytes() + line.encode() + b"\n")
    undisturbed = sqlite.urls[1], sqlite.logs[1]
    found = compare(undisturbed, (sqlite.urls[0], log), sqlite.verdict.figures)
    assert fault in found.differences


def test_an_acknowledged_message_that_is_gone_is_a_difference(sqlite: Stores) -> None:
    """The check after every kill counts, whatever the final stores hold."""
    both = sqlite.urls[1], sqlite.logs[1]
    found = compare(both, both, replace(sqlite.verdict.figures, lost=["m-1"]))
    assert found.differences == ["acknowledged and lost: m-1"]
