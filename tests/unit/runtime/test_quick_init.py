"""Initialisers of dataclasses whose fields nearly all begin empty."""

from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from typing import Any

import pytest

from whereupon.runtime.quick_init import quick_init


@dataclass(slots=True)
class _Plain:
    first: int
    _: KW_ONLY
    names: list[str] = field(default_factory=list)
    by_name: dict[str, int] = field(default_factory=dict)
    there: set[int] = field(default_factory=set)
    odd: frozenset[int] = field(default_factory=lambda: frozenset({1}))
    count: int = 7


@quick_init
@dataclass(slots=True)
class _Quick(_Plain):
    pass


@pytest.mark.parametrize("given", [{}, {"names": ["a"]}, {"count": 1, "there": {2}, "odd": {3}}])
def test_objects_begin_as_those_of_any_dataclass(given: dict[str, Any]) -> None:
    """Whatever is given."""
    assert asdict(_Quick(1, **given)) == asdict(_Plain(1, **given))
    assert replace(_Quick(1, **given), first=2) == _Quick(2, **given)


def test_no_two_objects_share_what_they_begin_with() -> None:
    """Each has empty collections of its own."""
    one, other = _Quick(1), _Quick(1)
    one.names.append("a")
    one.by_name["a"] = 1
    one.there.add(1)
    assert other == _Quick(1)


def test_what_is_no_field_is_refused() -> None:
    """As it is by any dataclass."""
    with pytest.raises(TypeError, match="colour"):
        _Quick(1, colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="first"):
        _Quick()  # type: ignore[call-arg]
