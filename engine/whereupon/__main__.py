"""``python -m whereupon``: the command line."""

from whereupon.cli import main

main()
