"""Links of the OpenAPI document: what of one answer is a parameter of another call."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class _Link(NamedTuple):
    """A call whose parameters an answer has.

    Attributes:
        operation: its operation id.
        parameters: where the answer has each of them (OpenAPI 3.1, runtime expressions).
    """

    operation: str
    parameters: Mapping[str, str]


def _one(place: str, parameter: str, *operations: str) -> tuple[_Link, ...]:
    return tuple(_Link(each, {parameter: f"$response.body#{place}"}) for each in operations)


def _next(operation: str, *kept: str) -> tuple[_Link, ...]:
    """The next page of the same list."""
    same = {name: f"$request.path.{name}" for name in kept}
    return (_Link(operation, {"cursor": "$response.body#/next", **same}),)


_ITEM = "/items/0/"
_LINKS: Final[Mapping[str, tuple[_Link, ...]]] = {
    "list_rules": (
        *_one(f"{_ITEM}id", "rule", "get_rule", "list_rule_versions", "get_rule_statistics"),
        *_next("list_rules"),
    ),
    "list_rule_versions": (
        _Link(
            "get_rule_version",
            {"rule": "$request.path.rule", "digest": "$response.body#/0/digest"},
        ),
    ),
    "list_deliveries": (
        *_one(f"{_ITEM}key", "delivery", "get_delivery", "retry_delivery"),
        *_one(f"{_ITEM}person", "person", "get_person", "get_timeline", "erase_person"),
        *_next("list_deliveries"),
    ),
    "get_timeline": _next("get_timeline", "person"),
    "list_deliveries_of_person": _next("list_deliveries_of_person", "person"),
    "list_inbox": _next("list_inbox", "person"),
    "list_requests": (
        *_one(f"{_ITEM}request", "request", "get_request", "approve_request", "cancel_request"),
        *_one(f"{_ITEM}request", "request", "get_receipt", "retry_request"),
        *_next("list_requests"),
    ),
    "erase_person": _one("/request", "request", "get_request", "cancel_request", "get_receipt"),
    "list_entries": (
        *_one(f"{_ITEM}entry", "entry", "get_entry", "pause_entry", "end_entry"),
        *_next("list_entries"),
    ),
    "pause_entry": _one("/entry", "entry", "resume_entry", "get_entry"),
    "pause_rule": _one("/rule", "rule", "resume_rule"),
    "list_broadcasts": _one(
        f"{_ITEM}id", "rule", "get_broadcast", "list_runs", "trigger_broadcast"
    ),
    "list_runs": (
        *_next("list_runs", "rule"),
        *(
            _Link(each, {"rule": "$request.path.rule", "run": f"$response.body#{_ITEM}run"})
            for each in ("get_run", "pause_run", "cancel_run")
        ),
    ),
    "pause_run": (
        _Link("resume_run", {"rule": "$request.path.rule", "run": "$response.body#/run"}),
    ),
    "list_all_runs": _next("list_all_runs"),
    "list_audit_rows": _next("list_audit_rows"),
    "create_key": _one("/key/id", "key", "get_key", "change_key", "rotate_key", "revoke_key"),
    "list_breakers": _one("/0/guard", "guard", "close_breaker"),
}


def links_of(operation: str) -> dict[str, Any]:
    """The links of the answer of an operation, by name, as the document has them."""
    return {
        f"{link.operation}_{'_'.join(link.parameters)}": {
            "operationId": link.operation,
            "parameters": dict(link.parameters),
        }
        for link in _LINKS.get(operation, ())
    }
