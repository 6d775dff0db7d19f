"""Paths, and names that have dots and backslashes themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.conditions.paths import parts_of, path_of, root_of

names = st.text(alphabet="ab.\\é", max_size=5)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a.b", ("a", "b")),
        (r"utm\.source", ("utm.source",)),
        (r"a\.b.c\.d", ("a.b", "c.d")),
        (r"a\\.b", ("a\\", "b")),
        (r"a\\\.b", ("a\\.b",)),
        (r"a\b.c", ("a\\b", "c")),
        (r"x\\y", (r"x\\y",)),
        ("", ("",)),
        ("a.", ("a", "")),
        (r"a\.", ("a.",)),
        ("." * 3, ("",) * 4),
        (r"\." * 300, ("." * 300,)),
    ],
)
def test_a_path_is_cut_at_its_dots_but_for_those_behind_a_backslash(
    path: str, parts: tuple[str, ...]
) -> None:
    """Backslashes count only before dots, so that names which contain backslashes keep their meaning."""
    assert parts_of(path) == parts
    assert root_of(path) == parts[0]


@given(parts=st.lists(names, min_size=1, max_size=4))
def test_any_names_make_a_path_that_leads_to_them(parts: list[str]) -> None:
    """Every name that can be in a message can be written as a path."""
    assert parts_of(path_of(parts)) == tuple(parts)
