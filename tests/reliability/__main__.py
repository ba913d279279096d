"""``python -m tests.reliability --check docs/reliability.md``: whether the page tells what the rows of today do."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.reliability.page import measured, render


def main() -> int:
    """1 when the page is not up to date."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--check", action="store_true", help="change nothing, and say whether something would change")
    given = parser.parse_args()
    before = given.page.read_text()
    after = render(measured(before))
    if given.check and before != after:
        print(f"{given.page} is not up to date: python -m tests.reliability {given.page}", file=sys.stderr)
        return 1
    if not given.check:
        given.page.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
