"""Where the project and its examples lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "rules"
STREAMS = ROOT / "fixtures" / "streams"
