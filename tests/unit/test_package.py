"""The package's face: its public names, and what importing it costs."""

import subprocess
import sys
from pathlib import Path

import pytest

import whereupon

PLAIN = """\
campaign: plain
description: Somebody buys socks.
when: purchase
where: {product: [socks, shoes], price: {gt: 20}}
reentry: every_time
whereupon:
  - wait: 2h
  - send: push
    title: Thanks!
"""

_HEAVY = {
    *("alembic", "apscheduler", "asyncio", "jsonlogic", "liquid", "psycopg", "pydantic"),
    *("rich", "sqlalchemy", "sqlmodel", "typer", "yaml"),
}


def test_every_public_name_is_there() -> None:
    """Each is imported from where it lives when it is asked for; the list is sorted and complete."""
    assert whereupon.__all__ == sorted(whereupon.__all__) == dir(whereupon)
    for name in whereupon.__all__:
        assert getattr(whereupon, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'Engin'"):
        _ = whereupon.Engin  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_heavy() -> None:
    """A host pays for a database, templates or a scheduler when it uses them."""
    imported = _imported_by("import whereupon")
    assert not imported & _HEAVY
    assert [name for name in imported if name.startswith("whereupon")] == ["whereupon"]


def test_an_engine_is_imported_without_what_it_may_never_use() -> None:
    """Neither the reading of rule files, nor templates, databases, a scheduler or a command line."""
    imported = _imported_by("from whereupon import Engine")
    assert imported & _HEAVY == {"pydantic"}  # the types of what hosts hand in
    assert not imported & {
        "whereupon.rules.reader",
        "whereupon.rules.loading",
        "whereupon.storage.sql",
    }


def test_rules_bring_only_what_they_say(tmp_path: Path) -> None:
    """Without a template no Liquid, without a schedule no APScheduler, and JSONLogic's parser for neither."""
    (tmp_path / "plain.yaml").write_text(PLAIN)
    code = (
        "from whereupon import Engine\n"
        f"with Engine.open('memory://', rules={str(tmp_path)!r}) as engine:\n"
        "    engine.track('purchase', user_id='ada', properties={'product': 'socks', 'price': 23})\n"
        "    assert engine.run_due() is not None\n"
    )
    assert _imported_by(code) & _HEAVY == {"pydantic", "yaml"}


@pytest.mark.slow
def test_opening_a_database_brings_no_migrations_and_no_other_database(tmp_path: Path) -> None:
    """Neither the first time, when the tables are made, nor when they are there."""
    code = f"from whereupon import Engine; Engine.open('sqlite:///{tmp_path}/shop.db').close()"
    for _ in range(2):
        heavy = _imported_by(code) & _HEAVY
        assert heavy == {"pydantic", "sqlalchemy", "sqlmodel", "asyncio"}


def test_the_overview_of_commands_imports_none_of_them() -> None:
    """Asking what there is costs its printing."""
    imported = _imported_by(_running("--help"))
    ours = {name for name in imported if name.startswith("whereupon")}
    assert ours == {"whereupon", "whereupon.cli", "whereupon.cli.commands"}
    assert imported & _HEAVY == {"typer", "rich"}


def test_checking_rules_brings_no_database_and_no_coloured_text(tmp_path: Path) -> None:
    """It runs in every commit hook."""
    (tmp_path / "plain.yaml").write_text(PLAIN)
    heavy = _imported_by(_running("lint", str(tmp_path))) & _HEAVY
    assert heavy <= {"typer", "pydantic", "yaml"}


def _running(*arguments: str) -> str:
    """Code that runs the command line to its end."""
    return (
        f"import sys; sys.argv = {['whereupon', *arguments]!r}\n"
        "from whereupon.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
    )


def _imported_by(code: str) -> set[str]:
    """The names of all modules that are there once the code has run in a process of its own."""
    told = f"{code}\nimport sys; sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stderr.split())
