"""The management API: what an operator asks and does over HTTP. Needs the extra ``api``.

It decides nothing itself: it lets callers in by their keys and roles, calls the engine, and says what came of it. Each
kind of thing has a module with its routes and the forms of its requests and answers.

For others: `PATHS`, and `application.management_app`.
"""

import re
from typing import Final

PATHS: Final = re.compile(
    r"/api/(?!s/|v1/(?:customers|events|merge_customers|push|metrics|accounts)(?:/|\Z)"
    r"|v2/(?:entity|batch)(?:/|\Z))"
)
"""How the paths of the management API begin; the others below ``/api/`` are those of other providers."""
