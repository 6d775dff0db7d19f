"""How a text with the character NUL is kept where no text can hold one."""


def escape_nul(value: object) -> object:
    """The value, a text with ␀ (U+2400) in place of each NUL."""
    return value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value
