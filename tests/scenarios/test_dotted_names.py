"""Names with a dot, such as `utm.source`, in all parts of a rule."""

from pathlib import Path

from whereupon import Engine

RULE = r"""
campaign: ads
description: Thank whoever came by an ad.
when: visit
where: {utm\.source: ads, deep.a\.b: {gt: 1}}
who: {first\.name: Ada}
reentry: {once_per_key: properties.utm\.id}
exit: {event: left, where: {utm\.source: ads}}
whereupon:
  - send: push
    title: 'By {{ properties["utm.source"] }}, {{ person["first.name"] }}'
  - wait: 1d
"""


def test_a_name_with_a_dot_is_reached_by_conditions_keys_exits_and_templates(
    tmp_path: Path,
) -> None:
    """With a backslash in paths and in brackets in templates; explain writes the name as the rule does."""
    (tmp_path / "ads.yaml").write_text(RULE)
    with Engine.open("memory://", rules=tmp_path) as engine:
        engine.identify("ada", traits={"first.name": "Ada"})
        properties = {"utm.source": "ads", "utm.id": 7, "deep": {"a.b": "2"}}
        first = engine.track("visit", user_id="ada", properties=properties)
        assert [each.outcome for each in first.decisions] == ["entered"]
        again = engine.track("visit", user_id="ada", properties=properties)
        assert [each.reason for each in again.decisions] == ["reentry"]
        other = {**properties, "utm.source": "mail", "utm": {"source": "ads"}}
        engine.track("visit", user_id="ada", properties=other)
        sentences = [each.sentence for each in engine.explain("ada", "ads")]
        assert any(r'utm\.source is ads, but utm\.source was "mail"' in each for each in sentences)
        engine.track("left", user_id="ada", properties={"utm.source": "ads"})
        assert any("exited" in each.sentence for each in engine.explain("ada", "ads"))
        (delivery,) = engine.deliveries()
        assert delivery.content["title"] == "By ads, Ada"
