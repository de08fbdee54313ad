"""Accept the numbers of a finished smoke study: `python renew.py results/smoke` (`make golden` runs both)."""

import json
import sys
from pathlib import Path

from golden import HOW_TO_RENEW, KEPT, differences, golden_values, read_kept

found = golden_values(Path(sys.argv[1]))
changed = differences(read_kept() if KEPT.is_file() else {}, found)
if changed:
    text = json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False)
    KEPT.write_text(f"{text}\n", encoding="utf-8")
print("\n".join(changed) or "nothing changed")
if changed:
    print(f"tests/golden/smoke.json is renewed.\n{HOW_TO_RENEW}")
