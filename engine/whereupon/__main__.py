"""``python -m whereupon``, and the command ``whereupon``: the command line, where it is installed."""

import sys


def main() -> None:
    """Run the command line; it exits with the command's status.

    The library does without the command line's packages. Where they are missing, a sentence says how to
    get them, and the exit status is 2, as for any wrong usage.
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
