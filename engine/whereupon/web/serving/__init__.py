"""A server of its own for the site of an engine: uvicorn, with deadlines, limits and an orderly end.

For others: `Server`, `ServerOptions`. Needs the extra ``serve``.
"""

from whereupon.config.server import ServerOptions
from whereupon.web.serving.server import Server

__all__ = ["Server", "ServerOptions"]
