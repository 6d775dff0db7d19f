"""A short storm: the same as `make storm`, with as many calls as a test suite has time for."""

from tests.chaos.storm import storm
from tests.servers import Server


def test_a_storm_over_the_same_people_leaves_no_deadlock_and_no_late_call(server: Server) -> None:
    """Claims, merges and erasures by two processes with four threads each: all are answered, and all agree."""
    left = storm(server, processes=2, threads=4, seconds=600, most=12, seed="short")
    assert left.is_fine, left
    assert left.weather.calls == 2 * 4 * 12
