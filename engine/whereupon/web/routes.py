"""Which function answers a request."""

from whereupon.engine import Engine
from whereupon.web.http import Answer, Request
from whereupon.web.page_options import PageOptions
from whereupon.web.pages import answer as answer_page


def answer(engine: Engine, request: Request, options: PageOptions | None = None) -> Answer:
    """Answer any request; what is not known is answered with 404."""
    return answer_page(engine, request, options)
