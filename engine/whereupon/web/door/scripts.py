"""The clients' own scripts, for pages that load them from the door instead of their makers' hosts.

The operator has the npm packages of Segment or Customer.io, and names their folders. A snippet loads
``analytics.min.js``, which is the file ``standalone.js`` with the page's key in it; that loads its parts by their names.
"""

import re
from pathlib import Path

from whereupon.web.door.options import DoorOptions

_SEGMENT = re.compile(r"/analytics\.js/v1/([^/]+)/analytics(?:\.min)?\.js")
_SEGMENT_PART = re.compile(r"/analytics-next/bundles/([^/]+\.js)")
_CUSTOMERIO = re.compile(r"/v1/analytics-js/snippet/([^/]+)/analytics(?:\.min)?\.js")
_CUSTOMERIO_PART = re.compile(r"/v1/analytics-js/([^/]+\.js)")

_KEY = re.compile(r"[\w.:\-]{1,200}", re.ASCII)
"""A key as it may stand in a script between quotes."""
_HOLE = b"__WRITE_KEY__"
_WHOLE = "standalone.js"


class Scripts:
    """The scripts that the folders of the options hold; they are read once.

    Raises:
        ValueError: a folder has no such script.
    """

    def __init__(self, options: DoorOptions) -> None:
        segment, customerio = _files(options.segment_scripts), _files(options.customerio_scripts)
        self._whole = ((_SEGMENT, segment), (_CUSTOMERIO, customerio))
        self._parts = ((_SEGMENT_PART, segment), (_CUSTOMERIO_PART, customerio))

    def find(self, path: str) -> bytes | None:
        """The script at a path; None if there is none."""
        for pattern, files in self._whole:
            found = pattern.fullmatch(path)
            if found is not None:
                return _with_key(files.get(_WHOLE), found[1])
        for pattern, files in self._parts:
            found = pattern.fullmatch(path)
            if found is not None:
                return files.get(found[1])
        return None


def _files(folder: Path | None) -> dict[str, bytes]:
    """The scripts of a folder by name, so that no name in a URL leads anywhere else."""
    if folder is None:
        return {}
    files = {each.name: each.read_bytes() for each in sorted(folder.glob("*.js"))}
    if _HOLE not in files.get(_WHOLE, b""):
        message = f"{folder} is not the folder dist/umd of the client's npm package: it has no {_WHOLE} of it"
        raise ValueError(message)
    return files


def _with_key(script: bytes | None, key: str) -> bytes | None:
    if script is None or _KEY.fullmatch(key) is None:
        return None
    return script.replace(_HOLE, key.encode())
