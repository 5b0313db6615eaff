"""``make bench-compare OLD NEW``: two result files side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path

_ARGUMENTS = 3


def main() -> int:
    """Print how each job's time and ratio moved."""
    if len(sys.argv) != _ARGUMENTS:
        print("usage: make bench-compare OLD.json NEW.json", file=sys.stderr)
        return 1
    files = [Path(name) for name in sys.argv[1:]]
    for path in files:
        if not path.is_file():
            print(f"no such results file: {path}; write one with `make bench`", file=sys.stderr)
            return 1
    old, new = (
        {(row["job"], row["peer"]): row for row in json.loads(path.read_text(encoding="utf-8"))}
        for path in files
    )
    print("| job | peer | old | new | new / old | ratio old | ratio new |\n|---|---|---|---|---|---|---|")
    for key in sorted(old.keys() | new.keys(), key=str):
        a, b = old.get(key), new.get(key)
        before = f"{a['ours_s'] * 1e3:.3f} ms" if a else "-"
        after = f"{b['ours_s'] * 1e3:.3f} ms" if b else "-"
        change = f"{b['ours_s'] / a['ours_s']:.2f}" if a and b else "-"
        ratios = [f"{row['ratio']:.2f}" if row and row["ratio"] else "-" for row in (a, b)]
        print(f"| {key[0]} | {key[1] or ''} | {before} | {after} | {change} | {ratios[0]} | {ratios[1]} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
