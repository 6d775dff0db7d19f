"""Answers that a connection gives without the site."""

import pytest

from whereupon.web.serving.refusals import Refusal


@pytest.mark.parametrize("refusal", Refusal)
def test_a_page_may_read_why_its_request_was_refused(refusal: Refusal) -> None:
    """Else a browser shows its script an error of the network, and hides when to send again."""
    head = refusal.as_bytes.partition(b"\r\n\r\n")[0].decode("ascii").lower().split("\r\n")
    assert "access-control-allow-origin: *" in head
    assert "access-control-expose-headers: retry-after" in head
    status, _ = refusal.value
    assert ("retry-after: 1" in head) is (int(status) == 503)
