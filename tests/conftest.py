"""The fixtures of all tests: stores of every kind, and a PostgreSQL server; and how many examples properties try."""

import gc
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from tests.examples import FULL
from tests.servers import Server, started
from tests.stores import KINDS, Opener, in_memory, on_postgres, on_sqlite

from whereupon.ports import Store
from whereupon.storage import open_store

# However busy the machine is: no example has to be quick, and none has to be made quickly. The suite runs for every
# change and tries others each time, so it tries some; `make properties` tries more.
settings.register_profile(
    "full",
    max_examples=FULL,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile("suite", settings.get_profile("full"), max_examples=FULL * 2 // 5)
settings.register_profile("deep", settings.get_profile("full"), max_examples=FULL * 50)
settings.load_profile("suite")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts a background job so. Tests interrupt threads and child processes, which inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_LAST = ("scenarios", "chaos")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests: quick ones come first, so that an error shows early; within a folder the order stays.

    Of the slow ones those that take longest come first, so that no test process waits long for the other's last test.
    What kills processes is slow, and what asks for a server of PostgreSQL is marked `postgres`.
    """
    for item in items:
        if item.path.parent.name == "chaos":
            item.add_marker("slow")
        if "postgres" in item.nodeid or {"server", "postgres"} & set(_fixtures_of(item)):
            item.add_marker("postgres")
    items.sort(key=_rank)


def pytest_collection_finish() -> None:
    """Leave what was collected, half a million objects, out of each later run of Python's cycle collector."""
    gc.collect()
    gc.freeze()


def _fixtures_of(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


def _rank(item: pytest.Item) -> tuple[bool, int]:
    folder, is_slow = item.path.parent.name, "slow" in item.keywords
    place = _LAST.index(folder) + 1 if folder in _LAST else 0
    return is_slow, -place if is_slow else place


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


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty store on SQLite: to copy it takes a tenth of the time of making its tables."""
    path = tmp_path_factory.mktemp("empty") / "store.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(empty_file: Path, tmp_path: Path) -> str:
    """The URL of an empty store on SQLite."""
    return f"sqlite:///{copyfile(empty_file, tmp_path / 'store.db')}"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store, once on each kind of database."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres"))


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store, once on each kind of store."""
    if request.param == "memory":
        return "memory://"
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres"))


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
