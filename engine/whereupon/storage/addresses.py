"""Addresses of stores as they may be printed, without opening anything."""

import re

_LOGIN = re.compile(r"(?<=://)([^/@?\s:]*):[^@\s]*@")
_IN_QUERY = re.compile(r"(?i)([?&][^=&]*pass[^=&]*=)[^&]*")


def shown_address(url: str) -> str:
    """A URL without its password, wherever that stands; it need not be a valid one."""
    return _IN_QUERY.sub(r"\1***", _LOGIN.sub(r"\1:***@", url))
