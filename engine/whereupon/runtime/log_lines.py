"""Ids and names in log lines: one short word on one line.

A sender chooses ids, so a line feed in an id must not begin a log line of its own.
"""

import json

_LONGEST = 100


def in_log(name: object) -> str:
    """A value for ``key=value``: the text itself if it is one ASCII word, else its beginning as JSON."""
    text = str(name)
    is_word = 0 < len(text) <= _LONGEST and text.isascii() and text.isprintable()
    return text if is_word and not set(text) & {" ", '"'} else json.dumps(text[:_LONGEST])
