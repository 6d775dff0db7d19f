"""The page on the management API: what it shows with curl is what a server answers."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.management import shop_with_api

from whereupon.web.serving import Server, ServerOptions

PAGE = Path(__file__).parents[2] / "engine" / "docs" / "management.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_SHOWN = ("json", "text")


def _examples() -> list[tuple[str, str]]:
    """Each script with curl, and what the next block shows of its output."""
    blocks = _BLOCK.findall(PAGE.read_text("utf-8"))
    pairs = zip(blocks, [*blocks[1:], ("", "")], strict=True)
    return [
        (script, shown if kind in _SHOWN else "")
        for (language, script), (kind, shown) in pairs
        if language == "sh" and "curl" in script
    ]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_what_the_page_shows_is_what_is_answered(tmp_path: Path) -> None:
    """Each line that a block shows is a line of the output; an ellipsis stands for any text."""
    examples = _examples()
    assert len(examples) >= 7
    with shop_with_api(tmp_path, f"sqlite:///{tmp_path}/shop.db") as api:
        api.engine.identify("lin", traits={"plan": "pro"})
        with Server(api.engine, ServerOptions(port=0), management=True, rules=api.rules) as server:
            site = f"http://127.0.0.1:{server.port}"
            python = f'python() {{ "{sys.executable}" "$@"; }}\n'
            for script, shown in examples:
                done = subprocess.run(
                    ["/bin/bash", "-euc", python + script],
                    cwd=tmp_path,
                    env={"SITE": site, "KEY": api.secret("admin"), "PATH": "/usr/bin:/bin"},
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                assert done.returncode == 0, (script, done.stdout, done.stderr)
                for line in shown.splitlines():
                    pattern = re.escape(line).replace("…", ".*")
                    assert re.search(f"^{pattern}", done.stdout, re.M), (script, line, done.stdout)


def test_every_call_of_the_document_is_on_the_page() -> None:
    """The table has each path, whole or by its end."""
    from fixtures.openapi import made  # noqa: PLC0415 - it opens an engine

    from whereupon.messages.codec import decode  # noqa: PLC0415 - likewise

    document = decode(made())
    assert isinstance(document, dict)
    paths = document["paths"]
    assert isinstance(paths, dict)
    table = PAGE.read_text("utf-8").partition("## Every call")[2]
    named = re.findall(r"`(?:GET |POST |PATCH )?(?:…)?(/[^`]+|GET)`", table)
    for path in (each for each in paths if each.startswith("/api/")):
        ends = [name for name in named if path == name or path.endswith(name)]
        assert ends, path
