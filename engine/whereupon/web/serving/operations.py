"""What the people who run a server ask it: whether it lives, whether it takes requests, and its figures."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from whereupon.errors import StoreError
from whereupon.records.api_keys import ApiKey, KeyKind
from whereupon.runtime.log_lines import log_event
from whereupon.web.door.problems import as_json
from whereupon.web.http import Answer
from whereupon.web.serving.refusals import problem
from whereupon.web.serving.store_watch import StoreWatch

Figures: TypeAlias = Callable[[], bytes]
"""The metrics in the text form of Prometheus."""

HEALTH, READINESS, METRICS = "/healthz", "/readyz", "/metrics"
PLACES = frozenset({HEALTH, READINESS, METRICS})

_LOG = logging.getLogger("whereupon.web")
_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
_TEXT = (
    ("Content-Type", "text/plain; version=0.0.4; charset=utf-8"),
    ("Cache-Control", "no-store"),
)


class Operations:
    """Answers health checks at once, on the event loop, however busy the other threads are.

    Attributes:
        is_draining: whether the end was asked for, so that a balancer should send nothing more.

    Args:
        watch: knows whether the store answers.
        figures: the metrics; None serves none on the port of the site.
        verify: finds the key with a secret. Metrics are for management keys: a proxy on the same machine makes
            everybody look local.
    """

    def __init__(
        self,
        watch: StoreWatch,
        *,
        figures: Figures | None = None,
        verify: Callable[[str], ApiKey | None],
    ) -> None:
        self._watch = watch
        self._figures = figures
        self._verify = verify
        self.is_draining = False

    async def answer(self, method: str, place: str, authorization: str) -> Answer:
        """Answer a request for one of `PLACES`."""
        if method not in {"GET", "HEAD"}:
            return problem(405, "wrong-method", "Ask with GET or HEAD.", ("Allow", "GET, HEAD"))
        if place == HEALTH:
            return _said(200, {"status": "ok"})
        if place == READINESS:
            return self._readiness()
        return await asyncio.to_thread(self._metrics, authorization)

    def _readiness(self) -> Answer:
        code = self._watch.code
        is_ready = code is None and not self.is_draining
        checks = {"store": code or "ok", "draining": self.is_draining}
        return _said(200 if is_ready else 503, {"ready": is_ready, **checks})

    def _metrics(self, authorization: str) -> Answer:
        """Runs in a thread: it asks the store."""
        if self._figures is None:
            return problem(
                404, "no-metrics", "This port has no metrics; they are on --metrics-port."
            )
        kind, _, secret = authorization.partition(" ")
        try:
            key = self._verify(secret.strip()) if kind.lower() == "bearer" else None
        except StoreError:
            return problem(503, "store-away", "The store does not answer.", ("Retry-After", "5"))
        if key is None or key.kind is not KeyKind.MANAGEMENT:
            message = "Metrics on this port need a management key as a bearer token."
            return problem(401, "unknown-key", message, ("WWW-Authenticate", "Bearer"))
        try:
            return Answer(status=200, headers=_TEXT, body=self._figures())
        except Exception as error:  # noqa: BLE001 - a scrape that fails is told, and the server goes on
            log_event(_LOG, logging.ERROR, "metrics-failed", error=type(error).__name__)
            return problem(500, "metrics-failed", "The metrics cannot be made; the log says why.")


def _said(status: int, members: dict[str, object]) -> Answer:
    return Answer(status=status, headers=_JSON, body=as_json(members))
