"""What is shown of long work on the terminal of standard error: a bar for streams, a line for people."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_WORTH_A_BAR = 1 << 20
_STEP = 1 << 18


@contextmanager
def progress_over(
    streams: Sequence[Path], *, alone: bool
) -> Iterator[Callable[[int], None] | None]:
    """A function to call with the number of bytes of each line; None if no bar is shown.

    Args:
        streams: the files that will be read.
        alone: whether no other output goes to the terminal meanwhile.
    """
    sizes = [path.stat().st_size for path in streams if path.is_file()]
    if not alone or not sys.stderr.isatty() or sum(sizes) < _WORTH_A_BAR:
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - most runs show no bar
    from rich.progress import Progress  # noqa: PLC0415 - likewise

    is_known = len(sizes) == len(streams) and all(path.suffix != ".gz" for path in streams)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=sum(sizes) if is_known else None)
        yield _in_steps(lambda size: bar.advance(task, size))


@contextmanager
def progress_of_people(*, alone: bool) -> Iterator[Callable[[int], object] | None]:
    """A function to call with the number of people counted so far; None if no line is shown."""
    if not alone or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - most runs show none

    with Console(stderr=True).status("counting people") as status:
        yield lambda people: status.update(f"{people:,} people so far")


def _in_steps(advance: Callable[[int], None]) -> Callable[[int], None]:
    waiting = 0

    def add(size: int) -> None:
        nonlocal waiting
        waiting += size
        if waiting >= _STEP:
            advance(waiting)
            waiting = 0

    return add
