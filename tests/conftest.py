"""The fixtures of all tests: stores of every kind, and a PostgreSQL server.

python -m pytest tests/properties --hypothesis-profile=deep    tries 50 times as many examples
"""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from tests.servers import Server, started
from tests.stores import KINDS, Opener, in_memory, on_postgres, on_sqlite

from whereupon.ports import Store
from whereupon.storage import open_store

# However busy the machine is: no example has to be quick, and none has to be made quickly.
settings.register_profile(
    "usual", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("ci", settings.get_profile("usual"), max_examples=500)
settings.register_profile("deep", settings.get_profile("usual"), max_examples=5_000)
settings.load_profile("usual")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts a background job so. Tests interrupt threads and child processes, which inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_LAST = ("scenarios", "chaos")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests: quick ones come first, so that an error shows early; within a folder the order stays.

    What kills processes is slow, and what asks for a server of PostgreSQL is marked `postgres`.
    """
    for item in items:
        if item.path.parent.name == "chaos":
            item.add_marker("slow")
        if "postgres" in item.nodeid or {"server", "postgres"} & set(_fixtures_of(item)):
            item.add_marker("postgres")
    items.sort(key=_rank)


def _fixtures_of(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


def _rank(item: pytest.Item) -> tuple[bool, int]:
    folder = item.path.parent.name
    return "slow" in item.keywords, _LAST.index(folder) + 1 if folder in _LAST else 0


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server that is started when the first test needs it, and stopped after the last."""
    with (
        TemporaryDirectory(prefix="whereupon-") as folder,
        started(Path(folder) / "postgres") as server,
    ):
        yield server


@pytest.fixture
def postgres(server: Server) -> Iterator[str]:
    """The URL of an empty store on PostgreSQL."""
    with server.clean() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, once on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("postgres"))


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, once on each kind of store."""
    if request.param == "memory":
        return "memory://"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("postgres"))


@pytest.fixture
def home(place: str) -> Iterator[Store]:
    """An empty store, once of each kind."""
    with closing(open_store(place)) as store:
        yield store


@pytest.fixture(scope="session", params=KINDS)
def opener(request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens empty stores of one kind, as many as examples need; once of each kind."""
    if request.param == "memory":
        yield in_memory
        return
    server = request.getfixturevalue("server") if request.param == "postgres" else None
    with on_postgres(server) if server else on_sqlite() as opener:
        yield opener
