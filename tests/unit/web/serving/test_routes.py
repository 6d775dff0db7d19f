"""Names of paths for metrics and logs, without what is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.web.management.application import path_templates
from whereupon.web.serving.routes import OTHER, Templates, route_of


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/batch", "/v1/batch"),
        ("/v1/t/", "/v1/t"),
        ("/v1/projects/wk_secret/settings", "/v1/projects/{key}/settings"),
        ("/api/v1/customers/ada%2Fx", "/api/v1/customers/{id}"),
        ("/api/v1/customers/ada/devices/tok%2Fen", "/api/v1/customers/{id}/devices/{token}"),
        ("/v1/api/campaigns/7/triggers", "/v1/campaigns/{id}/triggers"),
        ("/u/abc.def", "/u/{token}"),
        ("/callbacks/email", "/callbacks/{channel}"),
        ("/healthz", "/healthz"),
        ("/wp-login.php", OTHER),
    ],
)
def test_ids_and_keys_are_not_in_the_name_of_a_route(path: str, route: str) -> None:
    """A secret in a path must not become a label."""
    assert route_of(path) == route


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_no_path_makes_a_name_of_its_own(path: str) -> None:
    """There are as many names as templates, whatever is asked for."""
    templates = Templates(path_templates())
    names = {route_of(f"/{path}"), route_of(f"/v1/send/{path}"), templates.find(f"/api/{path}")}
    assert all("{" in name or "%" not in name for name in names)
    assert templates.find(f"/api/people/{'a' + path.replace('/', '')}") == "/api/people/{person}"


def test_the_very_words_of_a_path_come_before_a_variable() -> None:
    """Else calls to lint would be counted as calls for a rule with that name."""
    templates = Templates(["/api/rules/{rule}", "/api/rules/lint"])
    assert templates.find("/api/rules/lint") == "/api/rules/lint"
    assert templates.find("/api/rules/thanks") == "/api/rules/{rule}"
