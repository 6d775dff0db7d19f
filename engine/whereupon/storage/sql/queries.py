"""The SQL statements of one dialect, by name.

Most are written in the files of ``statements/``, where those of a dialect's own file come first. What several
have in common is a part, which they name in braces. Inserts, upserts, updates and deletes by key are made of the
lists of columns in `tables` (see `row_statements`). A statement is read and rewritten for the dialect when it is
first used; the files are read once a process.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from sqlalchemy import Select, bindparam, select

from whereupon.conditions.prefilter import Prefilter
from whereupon.records import StoredMessage
from whereupon.storage.sql.dialects import Database, Statement
from whereupon.storage.sql.row_statements import ROW_STATEMENTS
from whereupon.storage.sql.scans import SCANNED
from whereupon.storage.sql.tables import Base, PersonRow, table_of

SHARED = ("reads", "questions", "due_work", "writes", "erasure", "locks")
"""The files with statements of all dialects."""

_PREFILTERS = 16
"""Statements for prefilters that are kept: those of broadcasts that are being sent."""
_HEAD = re.compile(r"^-- (name|part): (\w+)\n", re.MULTILINE)
_PART = re.compile(r"\{([a-z]\w*)\}")
_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_EVERY_COLUMN = re.compile(r"\b(whereupon_\w+)\.\*")


@cache
def written(file: str) -> Mapping[str, str]:
    """The statements of one file, by name, without comments."""
    return _sections(file, "name")


@cache
def parts(file: str) -> Mapping[str, str]:
    """What statements have in common, by the name that stands in braces where a statement has it."""
    return _sections(file, "part")


def _sections(file: str, kind: str) -> Mapping[str, str]:
    text = (files(__package__) / "statements" / f"{file}.sql").read_text("utf-8")
    _, *pieces = _HEAD.split(text)
    named = zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True)
    return {
        name: _EVERY_COLUMN.sub(_columns, _COMMENT.sub("", body)).strip()
        for head, name, body in named
        if head == kind
    }


def _columns(found: re.Match[str]) -> str:
    table = Base.metadata.tables[found[1]]
    return ", ".join(f'{table.name}."{column.name}"' for column in table.c)


class Queries:
    """The statements; each is an attribute.

    Args:
        database: the dialect.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.each = lru_cache(self._each)
        self.scan = lru_cache(self._scan)
        self.scan_of = lru_cache(self._scan_of)
        self.audience = lru_cache(_PREFILTERS)(self._audience)
        self.held_audience = lru_cache(_PREFILTERS)(self._held_audience)

    def __getattr__(self, name: str) -> Statement:
        """The statement of that name; it is kept as an attribute."""
        made = ROW_STATEMENTS.get(name)
        if made is not None:
            statement = made(self._database)
        else:
            statement = self._database.statement(self._text(name))
        setattr(self, name, statement)
        return statement

    def _each(self, name: str) -> list[Statement]:
        """The statements of a name that has several, in order."""
        return [self._database.statement(text) for text in self._text(name).split(";\n")]

    def names(self) -> list[str]:
        """The names of all written statements."""
        every = map(written, self._files)
        return sorted({name for statements in every for name in statements})

    def _text(self, name: str) -> str:
        for file in self._files:
            if (text := written(file).get(name)) is not None:
                return _PART.sub(self._part, text)
        message = f"there is no SQL statement {name}"
        raise AttributeError(message)

    def _part(self, found: re.Match[str]) -> str:
        return next(parts(file)[found[1]] for file in self._files if found[1] in parts(file))

    @property
    def _files(self) -> Sequence[str]:
        """The dialect's own first."""
        return self._database.file, *SHARED

    def _audience(self, prefilter: Prefilter) -> Statement:
        """Persons behind ``key``, up to ``until``, who pass a prefilter."""
        return self._database.compile(self._persons(prefilter))

    def _held_audience(self, prefilter: Prefilter) -> Statement:
        """The same; locks them."""
        of = table_of(PersonRow)
        return self._database.compile(self._persons(prefilter).with_for_update(of=of))

    def _persons(self, prefilter: Prefilter) -> Select[Any]:
        person = table_of(PersonRow)
        passes = self._database.prefilters.clause(person.c.attributes, prefilter)
        keys = person.c.key > bindparam("key"), person.c.key <= bindparam("until")
        clause = select(person).where(*keys, passes).order_by(person.c.key)
        return clause.limit(bindparam("limit"))

    def _scan(self, kind: type) -> Statement:
        """Every record of a kind."""
        return self._database.statement(_scanned(kind))

    def _scan_of(self, kind: type) -> Statement:
        """Those of ``person``."""
        owned = f'{SCANNED[kind].name}."{SCANNED[kind].owner}" = :person'
        return self._database.statement(f"{_scanned(kind)} WHERE {owned}")


def _scanned(kind: type) -> str:
    if kind is StoredMessage:
        joined = "whereupon_name ON whereupon_name.id = whereupon_message.name_id"
        columns = parts("reads")["message"]
        return f"SELECT {columns} FROM whereupon_message JOIN {joined}"  # noqa: S608 - our own names
    columns = _EVERY_COLUMN.sub(_columns, f"{SCANNED[kind].name}.*")
    return f"SELECT {columns} FROM {SCANNED[kind].name}"  # noqa: S608 - our own names
