"""Work that threads ask for together: one of them does it, and one request fails no other."""

from collections.abc import Sequence
from threading import Event, Thread

import pytest

from whereupon.runtime.combined import MOST, Combined

_PATIENCE = 10.0  # seconds; only a failing test ever waits so long


class _Work:
    """Doubles numbers, and waits in its first call; 13 cannot be doubled."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.began, self.released = Event(), Event()

    def __call__(self, numbers: Sequence[int]) -> Sequence[int]:
        self.calls.append([*numbers])
        if len(self.calls) == 1:
            self.began.set()
            assert self.released.wait(_PATIENCE)
        if 13 in numbers:
            message = "13"
            raise ValueError(message)
        return [2 * number for number in numbers]


def _asked(numbers: Sequence[int]) -> tuple[dict[int, object], _Work]:
    """The answers to 0, and then to numbers that are asked while 0 is worked on."""
    work = _Work()
    combined, answers = Combined(work), dict[int, object]()

    def ask(number: int) -> None:
        try:
            answers[number] = combined.ask(number)
        except ValueError as error:
            answers[number] = error

    threads = [Thread(target=ask, args=(number,)) for number in (0, *numbers)]
    threads[0].start()
    assert work.began.wait(_PATIENCE)
    for thread in threads[1:]:
        thread.start()
    while len(combined._waiting) < len(numbers):  # noqa: SLF001 - there is no other sign of them
        pass
    work.released.set()
    for thread in threads:
        thread.join(_PATIENCE)
    return answers, work


def test_what_waits_meanwhile_is_done_in_one_piece() -> None:
    """Each thread gets its own answer."""
    answers, work = _asked(range(1, 9))
    assert answers == {number: 2 * number for number in range(9)}
    assert [len(call) for call in work.calls] == [1, 8]


def test_so_many_are_done_together_at_most() -> None:
    """The last do not wait for everybody."""
    answers, work = _asked(range(100, MOST + 102))
    assert len(answers) == MOST + 3
    assert [len(call) for call in work.calls] == [1, MOST, 2]


def test_a_request_that_fails_fails_no_other() -> None:
    """Each is asked again alone."""
    answers, work = _asked([12, 13, 14])
    assert isinstance(answers.pop(13), ValueError)
    assert answers == {0: 0, 12: 24, 14: 28}
    assert sorted(call[0] for call in work.calls if len(call) == 1) == [0, 12, 13, 14]


def test_after_a_failure_it_goes_on() -> None:
    """Nobody is left busy."""
    combined = Combined[int, int](lambda numbers: [1 // number for number in numbers])
    with pytest.raises(ZeroDivisionError):
        combined.ask(0)
    assert combined.ask(1) == 1


@pytest.mark.parametrize("gathering", [0, _PATIENCE])
def test_work_may_wait_for_those_who_were_answered_together(gathering: float) -> None:
    """They ask again one after another, and nobody goes alone."""
    work = _Work()
    work.released.set()
    combined = Combined(work, gathering=gathering)
    combined._expected = 2  # noqa: SLF001 - as if two had been answered together
    answers = list[int]()
    first = Thread(target=lambda: answers.append(combined.ask(1)))
    first.start()
    if not gathering:
        first.join(_PATIENCE)
    answers.append(combined.ask(2))
    first.join(_PATIENCE)
    assert sorted(answers) == [2, 4]
    assert [sorted(call) for call in work.calls] == ([[1, 2]] if gathering else [[1], [2]])


def test_nobody_waits_for_long_for_who_does_not_come() -> None:
    """Nor does the next one."""
    combined = Combined[int, int](lambda numbers: numbers, gathering=0.01)
    combined._expected = 2  # noqa: SLF001 - as if two had been answered together
    assert combined.ask(1) == 1
    assert combined._expected == 1  # noqa: SLF001 - what the next one waits for
