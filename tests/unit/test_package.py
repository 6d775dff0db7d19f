"""The package's face: its public names, and what importing it costs."""

import subprocess
import sys

import pytest

import whereupon


def test_every_public_name_is_there() -> None:
    """Each is imported from where it lives when it is asked for; the list is sorted and complete."""
    assert whereupon.__all__ == sorted(whereupon.__all__) == dir(whereupon)
    assert len(whereupon.__all__) <= 15
    for name in whereupon.__all__:
        assert getattr(whereupon, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'Engin'"):
        _ = whereupon.Engin  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_heavy() -> None:
    """A host pays for a database, templates or a scheduler when it uses them."""
    heavy = (
        "sqlalchemy",
        "pydantic",
        "liquid",
        "apscheduler",
        "jsonlogic",
        "rich",
        "typer",
        "yaml",
    )
    code = f"import sys, whereupon; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
