"""The APIs of Customer.io: whose key a request brings, which call it makes, and what is answered if it fails."""

import logging
import re
from collections.abc import Sequence

from whereupon.engine import Engine
from whereupon.errors import StoreError
from whereupon.records.api_keys import Scope
from whereupon.runtime.log_lines import log_event
from whereupon.web.customerio.answers import Fault, RefusedError, refused
from whereupon.web.customerio.asked import Asked, Calls, parts_of
from whereupon.web.customerio.broadcasts import Broadcasts
from whereupon.web.customerio.lookups import Lookups
from whereupon.web.customerio.sends import Sends
from whereupon.web.customerio.track_v1 import TrackV1
from whereupon.web.customerio.track_v2 import TrackV2
from whereupon.web.door.bodies import body_of
from whereupon.web.door.callers import Callers
from whereupon.web.door.problems import FAILED, STORE_AWAY, Problem, ProblemError
from whereupon.web.http import Answer, Counted, Request

_LOG = logging.getLogger("whereupon.web")


class CustomerIo:
    """Answers requests for Customer.io's Track API and App API.

    A key is the password of Basic authentication, behind the site id, or a bearer token. Keys of servers alone open
    these addresses.

    Args:
        callers: finds who asks.
    """

    PATHS = re.compile(
        r"/api/v1/(?:customers|events|merge_customers|push|metrics|accounts)(?:/|\Z)"
        r"|/api/v2/(?:entity|batch)(?:/|\Z)"
        r"|/v1/(?:api/)?(?:send|campaigns|customers)(?:/|\Z)"
    )

    def __init__(self, engine: Engine, callers: Callers) -> None:
        self._engine = engine
        self._callers = callers
        self._v1 = TrackV1(engine)
        self._v2 = TrackV2(engine)
        self._sends = Sends(engine)
        self._broadcasts = Broadcasts(engine)
        self._lookups = Lookups(engine)

    def answer(self, request: Request) -> Answer:
        """Answer a request with a JSON object, whatever comes in."""
        try:
            return self._answer(request)
        except RefusedError as error:
            return _refused(error.fault, *error.headers)
        except ProblemError as error:
            return _problem(error.problem).changed(counted=error.counted)
        except StoreError as error:
            log_event(_LOG, logging.WARNING, "door-store-away", code=error.code)
            return _problem(STORE_AWAY)
        except Exception as error:  # noqa: BLE001 - a client that gets no answer sends for ever
            log_event(_LOG, logging.ERROR, "door-failed", raised=_without_text(error))
            return _problem(FAILED)

    def _answer(self, request: Request) -> Answer:
        scope, calls = self._calls_at(parts_of(request.path))
        if not calls:
            fault = Fault(code="no-such-path", reason="there is nothing at this path", status=404)
            return _refused(fault)
        call = calls.get(request.method)
        if call is None:
            allowed = ", ".join(sorted(calls))
            fault = Fault(code="wrong-method", reason=f"this path takes {allowed}", status=405)
            return _refused(fault, ("Allow", allowed))
        caller = self._callers.find(request, scope=scope)
        asked = Asked(request, body_of(request), self._engine.clock.now())
        over = 0
        try:
            over = self._callers.admit(caller, asked.count)
            answered = call(asked)
        except RefusedError as error:
            answered = _refused(error.fault, *error.headers)
        key = caller.key
        counted = answered.counted.changed(key_id=key.id, key_kind=key.kind.value, over_limit=over)
        return answered.changed(counted=counted)

    def _calls_at(self, parts: Sequence[str]) -> tuple[Scope, Calls]:
        """What is needed for the calls at a path, and the calls by method."""
        match parts:
            case ["api", "v1", *below]:
                return Scope.MESSAGES, self._v1.calls_at(below)
            case ["api", "v2", *below]:
                return Scope.MESSAGES, self._v2.calls_at(below)
            case ["v1", "api", *below] | ["v1", *below]:
                return self._app_calls_at(below)
        return Scope.READ, {}

    def _app_calls_at(self, parts: Sequence[str]) -> tuple[Scope, Calls]:
        match parts:
            case ["send", kind]:
                return Scope.SEND, self._sends.calls_at(kind)
            case ["campaigns", name, "triggers"]:
                return Scope.SEND, self._broadcasts.calls_at(name)
            case ["customers", *below]:
                return Scope.READ, self._lookups.calls_at(below)
        return Scope.READ, {}


def _refused(fault: Fault, *headers: tuple[str, str]) -> Answer:
    log_event(_LOG, logging.INFO, "door-refused", status=fault.status, code=fault.code)
    return refused(fault, *headers).changed(counted=Counted(refused=fault.code))


def _problem(problem: Problem) -> Answer:
    fault = Fault(code=problem.code, reason=problem.message, status=problem.status)
    return _refused(fault, *problem.headers())


def _without_text(error: Exception) -> Exception:
    """The kind of an error and where it was raised; its text may quote what was sent."""
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
