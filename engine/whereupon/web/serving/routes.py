"""The template of a path, by which requests are counted and logged: ids and keys in paths are no names of metrics."""

import re
from collections.abc import Iterable

OTHER = "other"

_EXACT = frozenset(
    {
        *("/healthz", "/readyz", "/metrics"),
        *("/v1/batch", "/v1/b", "/v1/import", "/v1/m", "/beacon/v1/batch", "/sourceConfig"),
        *("/api/s/batch", "/api/s/s2s/batch"),
        *(f"/v1/{name}" for name in ("i", "t", "p", "s", "g", "a")),
        *(
            f"{start}{name}"
            for name in ("identify", "track", "page", "screen", "group", "alias")
            for start in ("/v1/", "/api/s/", "/api/s/s2s/")
        ),
        *("/api/v1/events", "/api/v1/merge_customers", "/api/v1/push/events", "/api/v1/metrics"),
        *("/api/v1/accounts/region", "/api/v2/entity", "/api/v2/batch", "/v1/customers"),
    }
)
_TEMPLATES = tuple(
    (re.compile(pattern), template)
    for pattern, template in (
        (r"/v1/projects/[^/]+/settings/?", "/v1/projects/{key}/settings"),
        (r"/(?:analytics\.js|analytics-next|v1/analytics-js)/.*", "/analytics.js/{script}"),
        (r"/api/v1/customers/[^/]+", "/api/v1/customers/{id}"),
        (r"/api/v1/customers/[^/]+/events", "/api/v1/customers/{id}/events"),
        (r"/api/v1/customers/[^/]+/devices", "/api/v1/customers/{id}/devices"),
        (r"/api/v1/customers/[^/]+/devices/[^/]+", "/api/v1/customers/{id}/devices/{token}"),
        (r"/api/v1/customers/[^/]+/suppress", "/api/v1/customers/{id}/suppress"),
        (r"/api/v1/customers/[^/]+/unsuppress", "/api/v1/customers/{id}/unsuppress"),
        (r"/v1/customers/[^/]+/attributes", "/v1/customers/{id}/attributes"),
        (r"/v1/send/[^/]+", "/v1/send/{channel}"),
        (r"/v1/(?:api/)?campaigns/[^/]+/triggers", "/v1/campaigns/{id}/triggers"),
        (r"/u/.*", "/u/{token}"),
        (r"/c/.*", "/c/{token}"),
        (r"/o/.*", "/o/{token}"),
        (r"/callbacks/.*", "/callbacks/{channel}"),
    )
)

_WITHOUT_STORE = frozenset(
    {"/sourceConfig", "/v1/projects/{key}/settings", "/analytics.js/{script}", "/v1/m"}
)
_PARAMETER = re.compile(r"\\\{[^}]*\\\}")
_PAGES = re.compile(r"/[uco]/")


def is_page(path: str) -> bool:
    """Whether a reader of a mail asks, who gets an answer without the store, too."""
    return _PAGES.match(path) is not None


def needs_store(method: str, path: str) -> bool:
    """Whether a request can only be answered with the store. A browser that gets no settings sends nothing at all."""
    return not (method == "OPTIONS" or is_page(path) or route_of(path) in _WITHOUT_STORE)


def route_of(path: str) -> str:
    """The template of a path of the site; `OTHER` if there is none."""
    if path in _EXACT:
        return path
    plain = path.removesuffix("/")
    if plain in _EXACT:
        return plain
    for pattern, template in _TEMPLATES:
        if pattern.fullmatch(path):
            return template
    return OTHER


class Templates:
    """Finds the template of a path among several, such as ``/api/people/{id}``; one of the very words comes first."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._patterns = [
            (re.compile(_PARAMETER.sub("[^/]+", re.escape(each))), each)
            for each in sorted(templates, key=lambda each: each.count("{"))
        ]

    def find(self, path: str) -> str:
        """The template of a path; `OTHER` if there is none."""
        found = (each for pattern, each in self._patterns if pattern.fullmatch(path))
        return next(found, OTHER)
