"""What counts as one statement where SQLite inserts several rows by one text and the rest by another."""

import re

_INSERT = re.compile(r"INSERT (OR FAIL )?INTO (\w+)")


class InsertsTogether:
    """Counts all texts that insert the rows of one table as one."""

    def __init__(self) -> None:
        self._several: str | None = None

    def counted(self, statement: str) -> str | None:
        """Under which text a statement counts; None if it belongs to the one before it."""
        into = _INSERT.match(statement)
        several, self._several = self._several, into[2] if into and into[1] else None
        if into is None:
            return statement
        return None if into[2] == several else f"INSERT INTO {into[2]}"
