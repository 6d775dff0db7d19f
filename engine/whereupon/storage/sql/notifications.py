"""LISTEN and NOTIFY of PostgreSQL: a process hears that another one has made something due."""

import os
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import Any

import psycopg
from sqlalchemy import Engine

from whereupon.storage.sql.watch_thread import TICK, WatchThread

CHANNEL = "whereupon_due"
NOTIFY = f"SELECT pg_notify('{CHANNEL}', %s)"


class NotificationListener(WatchThread):
    """Listens on a connection of its own, outside of the pool.

    Args:
        engine: where connections come from.
        origin: the payload of this store's own notifications, which are ignored.
    """

    def __init__(self, engine: Engine, origin: str, changed: Callable[[], object]) -> None:
        self._engine = engine
        self._origin = origin.encode()
        self._waiting, self._interrupting = os.pipe()
        super().__init__(changed)

    def stop(self) -> None:
        """End the thread, and close its pipe."""
        super().stop()
        for end in (self._waiting, self._interrupting):
            with suppress(OSError):
                os.close(end)
        self._waiting = self._interrupting = -1

    def _interrupt(self) -> None:
        with suppress(OSError):
            os.write(self._interrupting, b".")

    def _watch(self) -> None:
        pooled = self._engine.raw_connection()
        driver: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
        pooled.detach()
        try:
            driver.set_autocommit(True)
            driver.execute(f"LISTEN {CHANNEL}".encode())
            self._tell()  # of what was said before
            self._listen(driver)
        finally:
            pooled.close()

    def _listen(self, driver: psycopg.Connection[Any]) -> None:
        with DefaultSelector() as selector:
            selector.register(driver.fileno(), EVENT_READ)
            selector.register(self._waiting, EVENT_READ)
            while not self._ended.is_set():
                selector.select()
                if self._heard(driver):
                    self._tell()
                    self._ended.wait(TICK)

    def _heard(self, driver: psycopg.Connection[Any]) -> bool:
        """Whether there are notifications of other processes; all of them count as one."""
        driver.pgconn.consume_input()
        heard = False
        while (notice := driver.pgconn.notifies()) is not None:
            heard = heard or notice.extra != self._origin
        return heard
