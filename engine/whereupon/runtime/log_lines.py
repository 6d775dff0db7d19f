"""How an id or a name stands in a log line: whole where it can, and never more than a word of one line.

A sender chooses ids; a line feed in one must not begin a line of its own.
"""

import json

_LONGEST = 100


def in_log(name: object) -> str:
    """A word for ``key=value``: as it is, or as a JSON text in ASCII, cut short."""
    text = str(name)
    is_word = 0 < len(text) <= _LONGEST and text.isascii() and text.isprintable()
    return text if is_word and not set(text) & {" ", '"'} else json.dumps(text[:_LONGEST])
