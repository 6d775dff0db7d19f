"""Access tokens of Google's services, by `google-auth`, whose requests go through the guarded client."""

import json
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from whereupon.channels.http.client import HttpClient, HttpFailedError
from whereupon.channels.http.guard import Guard, RefusedUrlError, origin_of

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport import Request, Response

_SCOPES: Final = ("https://www.googleapis.com/auth/firebase.messaging",)
# Where a machine of Google's gets its own credentials.
_METADATA: Final = (
    "http://metadata.google.internal",
    "http://169.254.169.254",
    "169.254.169.254/32",
)


class GoogleLogin:
    """Gives an access token, and makes a new one when it is about to expire. Threads may share it.

    Args:
        credentials: a path, a JSON text, or None for Application Default Credentials.

    Attributes:
        project: the project of the credentials; None if they name none.

    Raises:
        ImportError: `google-auth` is not installed.
        ValueError: the credentials cannot be read.
    """

    def __init__(self, credentials: str | None, *, timeout: float) -> None:
        try:
            import google.auth  # noqa: PLC0415 - an extra
            from google.oauth2 import service_account  # noqa: PLC0415
        except ImportError:
            message = "push messages need google-auth: pip install 'whereupon[push]'"
            raise ImportError(message) from None
        self.project: str | None
        self._lock = Lock()
        self._credentials: Credentials
        if credentials is None:
            try:
                self._credentials, self.project = google.auth.default(scopes=_SCOPES)
            except google.auth.exceptions.DefaultCredentialsError as error:
                message = (
                    "there are no Application Default Credentials; give the service account's file"
                )
                raise ValueError(message) from error
            allow = list(_METADATA)
        else:
            info = _info(credentials)
            try:
                made = service_account.Credentials.from_service_account_info(info, scopes=_SCOPES)
            except (ValueError, KeyError, TypeError):
                message = "credentials are not those of a service account"
                raise ValueError(message) from None
            self._credentials, self.project = made, made.project_id
            allow = [origin_of(str(info["token_uri"]))]
        self._request = _transport(HttpClient(Guard.from_texts(allow), timeout=timeout))

    def token(self) -> str:
        """A token that is valid now.

        Raises:
            HttpFailedError: there is none, since our credentials are refused or the service is away.
        """
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - an extra

        with self._lock:
            try:
                if not self._credentials.valid:
                    self._credentials.refresh(self._request)
            except GoogleAuthError as error:
                reason = f"Google gives no access token: {type(error).__name__}"
                raise HttpFailedError(reason) from error
            return str(self._credentials.token)

    def forget(self) -> None:
        """Make a new token for the next call."""
        with self._lock:
            self._credentials.token = None


def _info(credentials: str) -> Mapping[str, Any]:
    """A service account's JSON, from a path or a text."""
    try:
        text = (
            credentials if credentials.lstrip().startswith("{") else Path(credentials).read_text()
        )
        found = json.loads(text)
    except (OSError, ValueError):
        message = "credentials are the path of a service account's JSON file, or its text"
        raise ValueError(message) from None
    if not isinstance(found, dict) or "token_uri" not in found:
        message = "credentials are not those of a service account"
        raise ValueError(message)
    return found


def _transport(client: HttpClient) -> "Request":
    """What `google-auth` makes its requests with."""
    from google.auth import transport  # noqa: PLC0415 - an extra
    from google.auth.exceptions import TransportError  # noqa: PLC0415

    class Answer(transport.Response):
        def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
            self._said = (status, headers, data)

        @property
        def status(self) -> int:
            return self._said[0]

        @property
        def headers(self) -> Mapping[str, str]:
            return self._said[1]

        @property
        def data(self) -> bytes:
            return self._said[2]

    class Guarded(transport.Request):
        def __call__(
            self,
            url: str,
            method: str = "GET",
            body: Any = None,
            headers: Mapping[str, str] | None = None,
            timeout: float | None = None,  # noqa: ARG002
            **_: Any,
        ) -> "Response":
            sent = body.encode() if isinstance(body, str) else body
            try:
                answer = client.request(method, url, headers=headers or {}, body=sent)
            except (HttpFailedError, RefusedUrlError) as error:
                raise TransportError(error) from error
            return Answer(answer.status, answer.headers, answer.body)

    return Guarded()
