"""Chaos: seeded, so that a run that failed can be played again with ``HYBRIDGE_SEED``."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture
def seed() -> int:
    """The seed of this test; it is printed, and so shown when the test fails."""
    number = int(os.environ.get("HYBRIDGE_SEED") or random.randrange(2**32))
    print(f"HYBRIDGE_SEED={number}")
    return number
