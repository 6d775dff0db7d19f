"""What the benchmarks share."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.servers import Server, started


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL server that waits for the disk; not in pytest's folder, which other runs close to it."""
    with (
        TemporaryDirectory(prefix="whereupon-") as place,
        started(Path(place) / "postgres", durable=True) as running,
    ):
        yield running
