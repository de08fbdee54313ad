"""What every script is, as in the study's scripts: found here, as are the library and this package."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src"), str(ROOT / "workflow/scripts")]

from stage import stage  # noqa: E402

__all__ = ["stage"]
