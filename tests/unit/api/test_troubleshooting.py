"""The page for people in trouble says something of every reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.api.troubleshooting import CAUSES, main, render
from hybridge.core.reasons import Reason

PAGE = Path(__file__).parents[3] / "docs" / "troubleshooting.md"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_on_the_page(reason: Reason) -> None:
    assert f"`{reason}`" in render()
    if reason.hint:
        assert f"| `{reason}` | {CAUSES[reason]} | {reason.hint} |" in render()


def test_the_page_in_the_repository_is_the_one_of_these_reasons(tmp_path: Path) -> None:
    assert main(["--check", str(PAGE)]) == 0
    other = tmp_path / "page.md"
    assert main(["--check", str(other)]) == 1
    assert main(["--write", str(other)]) == 0
    assert main(["--check", str(other)]) == 0
