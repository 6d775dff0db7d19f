"""One event loop, in a thread of its own, for the channels that are ``async``."""

from collections.abc import Awaitable, Callable
from threading import Lock, Thread
from typing import TYPE_CHECKING, TypeVar

from whereupon.runtime.forks import ForkAware, watch_forks

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class EventLoop(ForkAware):
    """Runs coroutines for threads that wait for them. The thread starts at the first use."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        watch_forks(self)

    def after_fork_in_child(self) -> None:
        """The loop's thread did not come along."""
        self._lock = Lock()
        self._loop = self._thread = None

    def run(self, make: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Run a coroutine on the loop, and return what it returns; it is cancelled after so many seconds.

        Raises:
            TimeoutError: it took longer.
            Exception: what it raised.
        """
        import asyncio  # noqa: PLC0415 - most hosts have no such channel

        async def work() -> T:
            return await make()

        future = asyncio.run_coroutine_threadsafe(work(), self._running())
        try:
            return future.result(seconds)
        except TimeoutError:
            if future.done() and not future.cancelled():  # its own time-out, not ours
                raise
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _running(self) -> "asyncio.AbstractEventLoop":
        import asyncio  # noqa: PLC0415 - as above

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = Thread(
                    target=_run_until_stopped,
                    args=(self._loop,),
                    name="async channels",
                    daemon=True,
                )
                self._thread.start()
            return self._loop


def _run_until_stopped(loop: "asyncio.AbstractEventLoop") -> None:
    import asyncio  # noqa: PLC0415 - as above

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
