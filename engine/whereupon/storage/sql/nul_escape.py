"""How a text with the character NUL is kept where no text can hold one."""


def escape_nul(value: object) -> object:
    """The value, a text with ␀ (U+2400) in place of each NUL."""
    return value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value


def escape_rows(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The rows, with the same in each text; hardly ever is there a NUL at all."""
    if not any("\0" in value for row in rows for value in row if isinstance(value, str)):
        return rows
    return [tuple(map(escape_nul, row)) for row in rows]
