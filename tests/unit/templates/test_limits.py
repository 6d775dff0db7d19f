"""Limits on templates: no template and no data keep a machine busy or fill its memory."""

import tracemalloc

import pytest
from pydantic import JsonValue

from whereupon.templates import Content, TemplateError, Use, parse_template, render_content
from whereupon.templates.meter import LONGEST_TEXTS, MOST_WORK, Meter
from whereupon.templates.template import MessageRendering

LONG = "x" * 32_000
DATA: dict[str, JsonValue] = {
    "event": "review",
    "properties": {
        "stars": 10**7,
        "huge": 10**18,
        "long": LONG,
        "other": "y" * 16_000,
        "markup": "<" * 32_000,
        "commas": "," * 32_000,
        "words": "a " * 16_000,
        "scripts": "<script" * 4_500,
        "comments": "<!--" * 8_000,
        "digits": "9" * 4_000,
        "exponent": "1e999999999",
        "deep": -(10**9),
        "form": "%9999999d" * 20,
        "numbers": list(range(5_000)),
        "objects": [{} for _ in range(8_000)],
        "named": [{"k": n % 7, "n": f"name{n}"} for n in range(1_000)],
    },
    "person": {},
    "timestamp": "2026-03-01T10:00:00Z",
}
OFTEN = "{{% for i in (1..10000) %}}{}{{% endfor %}}"
GROWING = (
    "{{% assign s = properties.{0} %}}{{% for i in (1..60) %}}{1}{{% endfor %}}{{{{ s | size }}}}"
)
SPENDING = [
    "{% for i in (1..properties.stars) reversed %}x{% endfor %}",
    "{% for i in (1..properties.huge) offset: 999999999 limit: 3 %}x{% endfor %}",
    "{% tablerow i in (1..properties.stars) reversed %}{{ i }}{% endtablerow %}",
    *(
        f"{{{{ (1..properties.{much}) | {name} }}}}"
        for much in ("stars", "huge")
        for name in ("join: ','", "reverse | size", "slice: 0, 9999999 | size", "sort | first")
    ),
    "{% assign r = (1..properties.huge) %}{% if r contains 'x' %}1{% endif %}",
    "{{ properties.long | replace: 'x', properties.other | size }}",
    "{{ properties.long | replace: '', properties.other | size }}",
    "{{ properties.numbers | join: properties.long }}",
    "{{ properties.long | split: '' | join: properties.long }}",
    GROWING.format("long", "{% assign s = s | append: s %}"),
    GROWING.format("long", "{% assign s = s | prepend: s %}"),
    GROWING.format("long", "{% capture s %}{{ s }}{{ s }}{% endcapture %}"),
    GROWING.format("long", "{% assign s = s | replace: 'x', 'xxxxxxxx' %}"),
    GROWING.format("numbers", "{% assign s = s | concat: s %}"),
    GROWING.format("digits", "{% assign s = s | times: s %}"),
    GROWING.format("markup", "{% assign s = s | escape | url_encode | base64_encode %}"),
    "".join(f"{{% assign v{n} = properties.long | append: 'x' %}}" for n in range(100)),
    *(
        OFTEN.format(f"{{% assign x = properties.{each} %}}")
        for each in (
            "words | split: ' '",
            "markup | escape",
            "scripts | strip_html",
            "commas | replace: ',', ';;'",
            "numbers | sort | reverse",
            "named | where: 'k', 3 | map: 'n' | join: ','",
            "named | sort_natural: 'n'",
        )
    ),
    OFTEN.format("{% if properties.long contains properties.other %}1{% endif %}"),
    OFTEN.format("{% if properties.numbers == properties.numbers %}{% endif %}"),
    OFTEN.format("{% cycle properties.long, properties.other %}"),
    OFTEN.format("{% cycle i: properties.long %}"),
    OFTEN.format("{% ifchanged %}{{ properties.long }}{{ i }}{% endifchanged %}"),
    OFTEN.format("{% capture x %}{{ properties.long }}{% endcapture %}"),
    OFTEN.format("{% for j in (1..1) %}{{ properties.long }}{% endfor %}"),
    OFTEN.format("{% if " + " or ".join(["1 == 2"] * 200) + " %}1{% endif %}"),
    OFTEN.format("{% if 1 == 2 %}" + "{% elsif 1 == 2 %}y" * 500 + "{% endif %}"),
    "{{ properties.objects | uniq | size }}",
    "{{ now | date: properties.form }}",
    "{{ properties.exponent | ceil }}",
    "{% for i in (1..200) %}{{ properties.numbers }}{% endfor %}",
]


@pytest.mark.parametrize("use", [Use.TEXT, Use.MARKUP])
@pytest.mark.parametrize("source", SPENDING)
def test_what_would_take_too_much_is_refused_while_it_is_counted(source: str, use: Use) -> None:
    """The count stops it at the same place on every machine, before much is done or made."""
    with pytest.raises(TemplateError, match=r"than|limit|infinity|at most|date:|more work"):
        parse_template(source, use).render(DATA)


@pytest.mark.parametrize("source", SPENDING[::7])
def test_the_count_is_the_same_every_time(source: str) -> None:
    """So a replay stops where the original stopped."""
    works = set()
    for _ in range(2):
        meter = Meter()
        with pytest.raises(TemplateError):
            parse_template(source).render(DATA, MessageRendering(meter=meter))
        works.add(meter.work)
    assert len(works) == 1


@pytest.mark.parametrize(
    "source",
    [
        "{{ (1..properties.stars) | join: ',' }}",
        "{% for i in (1..properties.stars) reversed %}x{% endfor %}",
        "{{ properties.long | replace: 'x', properties.other | size }}",
        GROWING.format("long", "{% capture s %}{{ s }}{{ s }}{% endcapture %}"),
        "{{ properties.markup | escape | escape | newline_to_br | size }}",
    ],
)
def test_what_is_made_on_the_way_is_bounded_too(source: str) -> None:
    """A value that is only measured, or thrown away, takes memory, too."""
    template = parse_template(source, Use.MARKUP)
    tracemalloc.start()
    try:
        template.render(DATA)
    except TemplateError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 30_000_000


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 5 | round: properties.deep }}{{ 5.55 | round: 999999999 }}", "05.55"),
        ("{{ (1..properties.huge) }}", f"1..{10**18}"),
        ("{% for i in (1..properties.huge) limit: 3 %}{{ i }}{% endfor %}", "123"),
        ("{{ properties.scripts | strip_html }}{{ properties.comments | strip_html }}", ""),
        ("{{ properties.objects | size }}", "8000"),
        ("{{ properties.long | truncate: properties.huge | size }}", "32000"),
        ("{% for each in properties.named %}{{ each.k }}{% endfor %}", "0123456" * 142 + "012345"),
    ],
)
def test_what_costs_little_is_done_however_large_its_numbers(source: str, text: str) -> None:
    """The limits are on work and sizes, not on the values of numbers."""
    assert parse_template(source).render(DATA) == text


def test_all_texts_of_a_message_share_what_they_may_use() -> None:
    """A thousand fields do not have a thousand budgets."""
    template = parse_template("{{ properties.long | upcase }}")
    few: Content = {str(n): template for n in range(LONGEST_TEXTS // len(LONG))}
    assert len(render_content(few, DATA)) == len(few)
    with pytest.raises(TemplateError, match="the texts together are longer"):
        render_content({**few, "more": template}, DATA)
    busy = parse_template("{% for i in (1..5000) %}{% assign x = i | plus: 1 %}{% endfor %}")
    with pytest.raises(TemplateError, match="more work than a message may"):
        render_content({str(n): busy for n in range(20)}, DATA)
    assert MOST_WORK < 20 * 5_000 * 200


def test_tags_are_stripped_as_they_are_read() -> None:
    """Tags, comments, scripts and styles are removed; text that only looks like a tag stays."""
    source = "{{ properties.html | strip_html }}"
    html = "1 < 2<p class='a>b'>x</p><!-- <b> --><script>var a = '<p>';</script>y<STYLE>p{}</STYLE >z<br/"
    text = parse_template(source).render({"properties": {"html": html}})
    assert text == "1 < 2b'>xyz"
