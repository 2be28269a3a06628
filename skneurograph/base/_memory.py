"""Check of free memory before a large allocation."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["available_memory", "in_words", "require_memory"]

# Where the system does not tell: what a laptop has.
_UNKNOWN = 16_000_000_000


def available_memory() -> int:
    """Bytes of memory that can still be used without swapping.

    On Linux what the kernel calls available; elsewhere all of the memory; 16 GB where the
    system tells neither.
    """
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN


def require_memory(n_bytes: float, what: str, remedy: str) -> None:
    """Refuse what does not fit in memory, before anything of it is allocated.

    An estimate of the least that is needed. The system would rather end the process than
    say no: it promises memory that it does not have.

    Parameters
    ----------
    n_bytes : float
        Bytes needed, in addition to what is in use.
    what : str
        What needs them, for the message: the estimator, and the sizes that matter.
    remedy : str
        What to use instead, for the message.

    Raises
    ------
    MemoryError
        If less is available.
    """
    available = available_memory()
    if n_bytes > available:
        raise MemoryError(
            f"{what} needs about {in_words(n_bytes)} of memory, but {in_words(available)} are "
            f"free; {remedy}"
        )


def in_words(n_bytes: float) -> str:
    """Format a size for a message: ``80 GB``."""
    gigabytes = n_bytes / 1e9
    return f"{gigabytes:,.0f} GB" if gigabytes >= 10 else f"{gigabytes:.1f} GB"
