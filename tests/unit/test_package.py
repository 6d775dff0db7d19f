"""The package as users import it: its public names, and the cost of an import."""

import re
import subprocess
import sys
from importlib import import_module
from inspect import getmembers, isclass, isfunction
from pathlib import Path
from types import ModuleType
from typing import get_args, get_type_hints

import pytest
from sqlalchemy import Engine as DatabaseEngine

import whereupon
from whereupon import Audit, Engine, Requests, Rulebook, insight
from whereupon.decide import BatchResult
from whereupon.messages.model import Message

DOCS = Path(__file__).resolve().parents[2] / "engine" / "docs"

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
    """Each is imported from its module on first use; the list is sorted and complete."""
    assert whereupon.__all__ == sorted(whereupon.__all__) == dir(whereupon)
    for name in whereupon.__all__:
        found = getattr(whereupon, name)
        assert not isclass(found) or found.__name__ == name


def test_every_type_of_a_public_call_can_be_imported() -> None:
    """From the package, or from a module that the page on embedding names for the parts of these types."""
    types = _Types()
    for owner in (Engine, Requests, Audit):
        for name, call in getmembers(owner, isfunction):
            if not name.startswith("_"):
                types.visit_hints(call)
    for found in types.found:
        if found.__name__ not in whereupon.__all__:
            assert any(hasattr(module, found.__name__) for module in _documented()), found


def test_every_public_name_is_on_the_page() -> None:
    """The page on embedding describes each of them."""
    page = (DOCS / "embedding.md").read_text()
    assert [name for name in whereupon.__all__ if f"`{name}`" not in page] == []


class _Types:
    """The classes of ours in type hints, and in those classes' hints."""

    def __init__(self) -> None:
        self.found: set[type] = set()

    def visit_hints(self, owner: object) -> None:
        names = {"DatabaseEngine": DatabaseEngine, **vars(insight)}
        for name, hint in get_type_hints(owner, localns=names).items():
            if not name.startswith("_"):
                self._visit(hint)

    def _visit(self, hint: object) -> None:
        for inner in get_args(hint):
            for each in inner if isinstance(inner, list) else [inner]:
                self._visit(each)
        if isclass(hint) and hint.__module__.startswith("whereupon.") and hint not in self.found:
            self.found.add(hint)
            if hint not in _WHOLES:
                self.visit_hints(hint)


_WHOLES = (BatchResult, Message, Rulebook)
"""Values whose parts only callers of `engine.take`, and of the classes of rules, need."""


def _documented() -> list[ModuleType]:
    page = (DOCS / "embedding.md").read_text()
    return [import_module(name) for name in re.findall(r"^\| `(whereupon\.[\w.]+)` \|", page, re.M)]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As in any module."""
    with pytest.raises(AttributeError, match="no attribute 'Engin'"):
        _ = whereupon.Engin  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_heavy() -> None:
    """A host imports a database, templates or a scheduler only when it uses them."""
    imported = _imported_by("import whereupon")
    assert not imported & _HEAVY
    assert [name for name in imported if name.startswith("whereupon")] == ["whereupon"]


def test_an_engine_is_imported_without_what_it_may_never_use() -> None:
    """Neither the reader of rule files, nor templates, databases, a scheduler or a command line."""
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
    """Neither the first time, when the tables are made, nor later."""
    code = f"from whereupon import Engine; Engine.open('sqlite:///{tmp_path}/shop.db').close()"
    for _ in range(2):
        heavy = _imported_by(code) & _HEAVY
        assert heavy == {"pydantic", "sqlalchemy", "sqlmodel", "asyncio"}


def test_the_overview_of_commands_imports_none_of_them() -> None:
    """The overview costs no more than its printing."""
    imported = _imported_by(_running("--help"))
    ours = {name for name in imported if name.startswith("whereupon")}
    assert ours == {"whereupon", "whereupon.cli", "whereupon.cli.commands"}
    assert imported & _HEAVY == {"typer", "rich"}


def test_checking_rules_brings_no_database_and_no_coloured_text(tmp_path: Path) -> None:
    """It runs in commit hooks."""
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
    """The names of all modules that are imported once the code has run in its own process."""
    script = f"{code}\nimport sys; sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_without_its_extra_the_command_says_how_to_get_it() -> None:
    """In a sentence, with the exit status of wrong usage; the library works without it."""
    code = (
        "import sys\n"
        "sys.modules['typer'] = None\n"
        "from whereupon import Engine\n"
        "Engine.open('memory://').close()\n"
        "from whereupon.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "The whereupon command needs typer, which is not installed: pip install 'whereupon[cli]'\n"
    )
