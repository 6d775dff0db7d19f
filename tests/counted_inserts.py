"""What counts as one statement where SQLite inserts several rows by one text and the rest by another."""


class InsertsTogether:
    """Counts both as one."""

    def __init__(self) -> None:
        self._several: str | None = None

    def counted(self, statement: str) -> str | None:
        """Under which text a statement counts; None if it belongs to the one before it."""
        into, _, _ = statement.partition(" VALUES ")
        alone = into.replace("INSERT OR FAIL", "INSERT")
        several, self._several = self._several, alone if alone != into else None
        if into.startswith("INSERT"):
            return None if into == several else alone
        return statement
