"""The HTML of the page to unsubscribe: forms without scripts, and nothing that is loaded from elsewhere."""

from base64 import b64encode
from hashlib import sha256
from html import escape

from whereupon.delivery.subscriptions import Subscriptions
from whereupon.web.page_options import PageOptions
from whereupon.web.texts import UnsubscribeTexts

_STYLE = """\
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--key:#0b57a4;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#eee;--paper:#161616;--key:#9cc8ff;--on:#101010}}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-width:34rem;margin:0 auto;padding:1.5rem 1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25}
form{margin:1.25rem 0}fieldset{border:1px solid;border-radius:.5rem;padding:.5rem 1rem}
label{display:flex;gap:.75rem;align-items:center;min-height:2.75rem}
input{width:1.25rem;height:1.25rem;flex:none;accent-color:var(--key)}
button{font:inherit;min-height:2.75rem;max-width:100%;padding:.5rem 1.25rem;border:2px solid var(--key);
border-radius:.5rem;background:var(--key);color:var(--on);cursor:pointer}
button.second{background:transparent;color:var(--key)}
:focus-visible{outline:3px solid var(--key);outline-offset:3px}
"""
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()


def policy_of(options: PageOptions) -> str:
    """The Content-Security-Policy of the pages."""
    if options.content_security_policy is not None:
        return options.content_security_policy
    style = f"'sha256-{_STYLE_HASH}'" if options.layout is None else "'none'"
    return (
        f"default-src 'none'; style-src {style}; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def notice_page(texts: UnsubscribeTexts, options: PageOptions, title: str, words: str) -> str:
    """A page that says one thing."""
    return _page(texts, options, title, [f"<p>{escape(words)}</p>"])


def subscriptions_page(
    texts: UnsubscribeTexts, options: PageOptions, wanted: Subscriptions, *, saved: bool
) -> str:
    """The page that shows what a person wants, with a form for each change.

    Args:
        saved: whether a change was just made.
    """
    if not wanted.is_known:
        return notice_page(texts, options, texts.title, texts.gone)
    content = [f'<p role="status"><strong>{escape(texts.saved)}</strong></p>'] if saved else []
    if wanted.unsubscribed:
        content += [f"<p>{escape(texts.all_off)}</p>", _button("resubscribe", texts.all_again)]
        return _page(texts, options, texts.title, content)
    content += _about_the_mail(texts, options, wanted)
    if wanted.topics:
        content.append(_topics(texts, options, wanted))
        content.append(_button("all", texts.all_button, second=True))
    return _page(texts, options, texts.title, content)


def _about_the_mail(
    texts: UnsubscribeTexts, options: PageOptions, wanted: Subscriptions
) -> list[str]:
    """The state of what the mail was about, and the button that changes it."""
    if wanted.topic is None:
        first = [] if wanted.topics else [_button("all", texts.all_button)]
        return [f"<p>{escape(texts.on)}</p>", *first]
    label = options.label(wanted.topic)
    if wanted.topics[wanted.topic]:
        button = _button("unsubscribe", texts.topic_button.replace("{topic}", label))
        return [f"<p>{escape(texts.on)}</p>", button]
    off = texts.topic_off.replace("{topic}", label)
    again = texts.topic_again.replace("{topic}", label)
    return [f"<p>{escape(off)}</p>", _button("resubscribe", again)]


def _topics(texts: UnsubscribeTexts, options: PageOptions, wanted: Subscriptions) -> str:
    """A box to tick for each topic. What was shown goes along, so that only what the reader changes is written."""
    rows = []
    for topic, is_on in wanted.topics.items():
        name, checked = escape(topic), " checked" if is_on else ""
        was = f'<input type="hidden" name="{"was-on" if is_on else "was-off"}" value="{name}">'
        box = f'<input type="checkbox" name="topic" value="{name}"{checked}>'
        rows.append(f"{was}<label>{box}<span>{escape(options.label(topic))}</span></label>")
    legend = f"<legend>{escape(texts.choose)}</legend>"
    button = _submit("save", texts.save, second=True)
    return f'<form method="post"><fieldset>{legend}{"".join(rows)}</fieldset><p>{button}</p></form>'


def _button(wish: str, text: str, *, second: bool = False) -> str:
    return f'<form method="post">{_submit(wish, text, second=second)}</form>'


def _submit(wish: str, text: str, *, second: bool) -> str:
    look = ' class="second"' if second else ""
    return f'<button type="submit" name="wish" value="{wish}"{look}>{escape(text)}</button>'


def _page(texts: UnsubscribeTexts, options: PageOptions, title: str, content: list[str]) -> str:
    inner = f"<h1>{escape(title)}</h1>\n" + "\n".join(content)
    if options.layout is not None:
        return options.layout(texts.language, title, inner)
    return (
        f'<!doctype html>\n<html lang="{escape(texts.language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="robots" content="noindex, nofollow">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{inner}\n</main>\n</body>\n</html>\n"
    )
