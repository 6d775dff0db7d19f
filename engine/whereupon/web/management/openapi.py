"""The OpenAPI document (3.1) of the whole service: the management API, and the door, whose part is merged in."""

import json
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from whereupon.web.management.door_document import SECURITY, door_paths, door_schemas
from whereupon.web.management.links import links_of
from whereupon.web.management.problems import Problem
from whereupon.web.management.routing import MOST_KEY_CHARACTERS, ONLY_READS, ROLE

VERSION: Final = "1"
"""Of the API. It changes when a client would have to."""

_DESCRIPTION = """Looks after a whereupon engine: rules, people, deliveries, broadcasts, requests, keys.

Every call needs the secret of a management key, as `Authorization: Bearer wm_…`. The role that a call needs is its
`x-role`: `viewer`, `editor`, `approver` or `admin`; each includes those before it. Errors are problem details
(RFC 9457) with a `code`. Lists come in pages: give the `next` of a page as `cursor`. A call that writes may carry an
`Idempotency-Key`: sent again with the same body it is not done again, and gets the same answer for a day."""

_IDEMPOTENCY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A fresh text for each write, such as a UUID. The same request under it is done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_KEY_CHARACTERS},
}
_IF_NONE_MATCH: Final[dict[str, Any]] = {
    "name": "If-None-Match",
    "description": "The entity tag of what the caller has (RFC 9110, section 13.1.2).",
    "required": False,
    "in": "header",
    "schema": {"type": "string"},
}
_WRITES = ("post", "put", "patch", "delete")


def describe(app: FastAPI) -> str:
    """The document as JSON text, the same in every process."""
    document = get_openapi(
        title="whereupon",
        version=VERSION,
        openapi_version="3.1.0",
        description=_DESCRIPTION,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    _, problem = models_json_schema(
        [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
    )
    schemas |= problem["$defs"] | door_schemas()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = {
        "managementKey": {"type": "http", "scheme": "bearer", "bearerFormat": "wm_…"},
        **SECURITY,
    }
    components["parameters"] = {"IdempotencyKey": _IDEMPOTENCY}
    for path in document["paths"].values():
        for method, operation in path.items():
            _complete(method, operation)
    document["paths"] |= door_paths()
    return json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1)


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Say what holds for every operation: who may call it, and what a write may carry."""
    operation["security"] = [{"managementKey": []}]
    more = [f"Role: `{operation[ROLE]}`."]
    if method in _WRITES and ONLY_READS not in operation:
        more.append("It may carry an `Idempotency-Key`.")
        operation["x-idempotency-key"] = {"$ref": "#/components/parameters/IdempotencyKey"}
    if "304" in operation["responses"]:
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        operation["responses"]["304"] = {"description": "It is still the one that the caller has."}
    if "412" in operation["responses"]:
        more.append("It may carry `If-Match` (RFC 9110, section 13.1.1).")
    done = next(each for status, each in operation["responses"].items() if status.startswith("2"))
    done |= {"links": links} if (links := links_of(operation["operationId"])) else {}
    operation["description"] = "\n\n".join((operation.get("description", ""), " ".join(more)))
