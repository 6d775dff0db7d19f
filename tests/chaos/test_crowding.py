"""A short run of processes that crowd the same people; `make chaos VICTIM=cap` is the long one."""

from tests.chaos.crowding import MAILS, PEOPLE, crowd


def test_a_place_under_a_cap_is_reserved_so_that_processes_cannot_overrun_it(
    database: str,
) -> None:
    """Several processes that send to the same people, two of them killed: each person gets what the cap allows."""
    left = crowd(database, processes=3, threads=3, most=8, kills=2, seed="short")
    assert left.wrong == []
    assert left.sent == MAILS * len(PEOPLE)
    assert left.held_back > left.sent
