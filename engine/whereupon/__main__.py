"""The command ``whereupon``, and ``python -m whereupon``: the command line, if it is installed."""

import sys


def main() -> None:
    """Run the command line, and exit with the command's status.

    The command line needs packages that the library does not need. If they are missing, a sentence says how
    to install them, and the exit status is 2, as for other wrong usage.
    """
    try:
        from whereupon.cli import main as run  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich"):
            raise
        sys.stderr.write(
            f"The whereupon command needs {error.name}, which is not installed: "
            "pip install 'whereupon[cli]'\n"
        )
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
