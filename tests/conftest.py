"""What the whole suite shares: every kind of store, and profiles of Hypothesis.

python -m pytest tests/properties --hypothesis-profile=deep
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.stores import STORES

from whereupon.ports import Store

settings.register_profile("ci", max_examples=500)
settings.register_profile("deep", max_examples=5_000)


@pytest.fixture(params=STORES)
def home(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store, of each kind in turn."""
    with STORES[request.param]() as store:
        yield store
