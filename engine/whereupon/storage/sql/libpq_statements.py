"""Statements of one connection as libpq runs them, in its pipeline mode.

A cursor of psycopg is made for whatever statement comes, and costs ten times what the few hundred statements of the
store do here. What is psycopg's stays so: it adapts values and rows, waits for the server, and names its errors.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from secrets import token_hex
from typing import Any

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import WAIT_R

from whereupon.storage.sql.driver_cursor import Parameters, Rows

_MOST_PREPARED = 256
"""Statements that a connection prepares: more than most processes have."""
_BINARY = Format.BINARY.value
_DONE = {ExecStatus.COMMAND_OK.value, ExecStatus.TUPLES_OK.value}
_FAILED, _SYNC = ExecStatus.FATAL_ERROR.value, ExecStatus.PIPELINE_SYNC.value
_UNKNOWN_NAME = "26000"
"""The server does not know a prepared statement: it was discarded, or a pooler has led to another connection."""
_OUTDATED = "0A000"
"""A table has other columns than when the statement was prepared."""
_MARK = re.compile("%[s%]")


class Answer:
    """What the server says to a statement, or to having to prepare one.

    Attributes:
        key: of the prepared statement.
        prepares: whether it is to be prepared by this.
        result: None until it has been waited for.
    """

    __slots__ = ("key", "prepares", "result")

    def __init__(self, key: "_Key", *, prepares: bool = False) -> None:
        self.key = key
        self.prepares = prepares
        self.result: PGresult | None = None

    @property
    def count(self) -> int:
        """How many rows were read or written; -1 where the statement says nothing of that."""
        found = None if self.result is None else self.result.command_tuples
        return -1 if found is None else found


_Key = tuple[str, tuple[int, ...] | None]
"""A statement, and the types of its parameters."""


class LibpqStatements:
    """Sends statements on one connection, and reads their answers.

    Args:
        driver: the connection.
        prepares: whether statements are prepared when they first run, and stay so, until the server does not know
            one. A host's connection does not keep them: its own statements may discard them.
    """

    def __init__(self, driver: psycopg.Connection[Any], *, prepares: bool) -> None:
        self._driver = driver
        self._libpq: PGconn = driver.pgconn
        self._prepares = prepares
        self._adapter = Transformer(driver)
        self._names: dict[_Key, bytes] = {}
        self._prefix = token_hex(4).encode()  # a pooler leads several clients to one connection
        self._prepared = 0
        self._awaited: list[Answer] = []
        self._is_open = False

    def send(self, sql: str, parameters: Parameters) -> Answer:
        """Send a statement, and wait for nothing."""
        libpq, adapter = self._libpq, self._adapter
        if not self._is_open:
            libpq.enter_pipeline_mode()
            self._is_open = True
        text, formats = _in_words_of_libpq(sql)
        values = adapter.dump_sequence(parameters, formats)
        key = (sql, adapter.types)
        name = self._names.get(key)
        if name is None:
            name = self._prepare(text, key)
        if name is None:
            types, given = adapter.types, adapter.formats
            libpq.send_query_params(text, values, types, given, _BINARY)
        else:
            libpq.send_query_prepared(name, values, adapter.formats, _BINARY)
        answer = Answer(key)
        self._awaited.append(answer)
        return answer

    def _prepare(self, text: bytes, key: _Key) -> bytes | None:
        """Have the server prepare a statement; None if this one is not to be prepared."""
        if not self._prepares or len(self._names) >= _MOST_PREPARED:
            return None
        self._prepared += 1
        name = b"whereupon_%s_%d" % (self._prefix, self._prepared)  # never the same again
        self._libpq.send_prepare(name, text, key[1])
        self._names[key] = name
        self._awaited.append(Answer(key, prepares=True))
        return name

    def wait(self) -> None:
        """Wait for all answers.

        Raises:
            psycopg.Error: the first one that the server raised; it has skipped what came behind.
        """
        if not self._is_open:
            return
        awaited, self._awaited = self._awaited, []
        self._libpq.pipeline_sync()
        self._driver.wait(_read(self._libpq, awaited))
        last = awaited[-1].result
        if last is None or last.status not in _DONE:
            raise self._failed(awaited)
        self._leave()

    def abandon(self) -> None:
        """Leave the pipeline, whatever the answers are."""
        self._forget_unprepared(self._awaited)
        self._awaited = []
        if self._is_open:
            with suppress(psycopg.Error):
                self._driver.wait(self._drained())
        self._is_open = False

    def rows(self, answer: Answer) -> Rows:
        """The rows of an answer."""
        result = answer.result
        if result is None or not result.nfields:
            return ()
        self._adapter.set_pgresult(result)
        return self._adapter.load_rows(0, result.ntuples, tuple)

    def _leave(self) -> None:
        self._libpq.exit_pipeline_mode()
        self._is_open = False

    def _drained(self) -> PQGen[None]:
        """Read what has not been read."""
        with suppress(psycopg.OperationalError):  # there is something
            self._leave()
            return
        self._libpq.pipeline_sync()
        yield from send(self._libpq)
        while self._is_open and self._libpq.status == ConnStatus.OK:
            found = yield from fetch_many(self._libpq)
            if found and found[0].status == _SYNC:
                with suppress(psycopg.OperationalError):  # there is another one
                    self._leave()

    def _failed(self, awaited: Sequence[Answer]) -> psycopg.Error:
        """The error that had the server skip what was sent behind it."""
        self._forget_unprepared(awaited)
        for answer in awaited:
            if answer.result is not None and answer.result.status == _FAILED:
                error = error_from_result(answer.result, self._driver.info.encoding)
                if error.sqlstate in {_UNKNOWN_NAME, _OUTDATED}:
                    self._names.clear()
                self._prepares &= error.sqlstate != _UNKNOWN_NAME
                return error
        return psycopg.OperationalError("the connection was lost")

    def _forget_unprepared(self, awaited: Sequence[Answer]) -> None:
        """Forget the names of statements that were not prepared after all."""
        for answer in awaited:
            if answer.prepares and (answer.result is None or answer.result.status not in _DONE):
                self._names.pop(answer.key, None)


def _read(libpq: PGconn, awaited: Sequence[Answer]) -> PQGen[None]:
    """Send what is not sent, and read an answer each; an answer of None ends it.

    The driver has generators for this, too. They cost more than what libpq does in them.
    """
    yield from send(libpq)
    is_busy, result_of = libpq.is_busy, libpq.get_result
    for answer in awaited:
        found: PGresult | None = None
        while True:
            while is_busy():
                if (yield WAIT_R):
                    libpq.consume_input()
            result = result_of()
            if result is None:
                break
            if found is None:
                found = result
        if found is None:  # the connection is lost
            return
        answer.result = found
    yield from fetch_many(libpq)  # the end of the pipeline


@lru_cache(maxsize=1024)
def _in_words_of_libpq(sql: str) -> tuple[bytes, list[PyFormat]]:
    """A statement with numbered parameters, and their formats."""
    formats: list[PyFormat] = []

    def numbered(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        formats.append(PyFormat.AUTO)
        return f"${len(formats)}"

    return _MARK.sub(numbered, sql).encode(), formats
