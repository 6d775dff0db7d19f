"""Which grant a role of PostgreSQL lacks from what the server refuses."""

import re

from whereupon.errors import StoreError

NO_GRANT = "42501"
"""The server's code for it (insufficient_privilege)."""

_ROLE = "to the role that the store is opened with"
_NEEDED = {
    "schema": "GRANT USAGE, CREATE ON SCHEMA {name} (CREATE only for who makes the tables)",
    "sequence": "GRANT USAGE ON SEQUENCE {name}",
    "table": "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {name}",
    "database": "GRANT CREATE ON DATABASE {name}",
}
_DENIED = re.compile(r"permission denied for (schema|sequence|table|database) \"?([^\"\n]+)\"?")
_OWNED = re.compile(r"must be owner of \w+ \"?([^\"\n]+)\"?")
_ALL = (
    "USAGE on the schema, SELECT, INSERT, UPDATE and DELETE on the tables whereupon_*, and USAGE on the "
    "sequences whereupon_*"
)


def no_grant(said: BaseException | None) -> StoreError:
    """The error about a right that is missing; where the server speaks another language, all that is needed."""
    denied, owned = _DENIED.search(str(said)), _OWNED.search(str(said))
    if denied is not None:
        needed = _NEEDED[denied[1]].format(name=denied[2])
        what = f"{needed} {_ROLE} is missing"
        if denied[1] in {"schema", "database"}:
            what += "; or have another role run `whereupon migrate --store URL`"
    elif owned is not None:
        what = (
            f"only the owner of {owned[1]} may change it: run `whereupon migrate --store URL` under that "
            "role, and open the engine with migrate=False"
        )
    else:
        what = f"a right is missing: a store needs {_ALL}"
    return StoreError(code="no-grant", reason=f"{what} ({said})")
