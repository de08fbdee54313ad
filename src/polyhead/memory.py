"""How much memory this process took."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_memory() -> float:
    """Return the peak memory of this process in MiB; on Linux without that of the process that started it."""
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(r"VmHWM:\s+(\d+)", status.read_text())):
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
