"""HTTP for channels: a client that makes guarded requests, what its answers mean, and signatures.

It follows no redirects, keeps no cookies, and reads neither ``.netrc`` nor proxies of the environment. It knows
no channel.

For others: `HttpClient` (makes requests), `Guard` (says which), `settle` (what a status means for a delivery).
"""

from whereupon.channels.http.answers import HttpAnswer, after, settle
from whereupon.channels.http.client import HttpClient, HttpFailedError
from whereupon.channels.http.guard import Guard, RefusedUrlError, check_url

__all__ = [
    "Guard",
    "HttpAnswer",
    "HttpClient",
    "HttpFailedError",
    "RefusedUrlError",
    "after",
    "check_url",
    "settle",
]
