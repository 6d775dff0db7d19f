"""How many files a process of the command line may have open: each connection is one."""

try:
    import resource
except ModuleNotFoundError:  # not on Windows
    resource = None  # type: ignore[assignment]


def allow_more_files() -> None:
    """Let the process have as many open files as it may ask for. A library leaves that to its host."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
