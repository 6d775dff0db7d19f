"""Work in several threads at once."""

from collections.abc import Callable
from threading import Barrier, Thread


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Let so many threads work at once, each with its number; what one raises, this raises."""
    faults: list[BaseException] = []
    ready = Barrier(count)

    def run(number: int) -> None:
        try:
            ready.wait(60)
            work(number)
        except BaseException as fault:  # noqa: BLE001 - raised again below, in the test's own thread
            faults.append(fault)

    threads = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    if faults:
        message = f"{len(faults)} of {count} threads"
        raise BaseExceptionGroup(message, faults)
