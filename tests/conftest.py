"""What every test may ask for: a PostgreSQL server, and databases on it."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.servers import Server, started


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


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, once on each kind of store."""
    if request.param == "memory":
        return "memory://"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("postgres"))
