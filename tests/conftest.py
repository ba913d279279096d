"""What all tests share: how Hypothesis looks for counterexamples."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

# What Hypothesis keeps between runs is no part of the checkout.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
set_hypothesis_home_dir(_CACHE / "hybridge" / "hypothesis")

# The same examples in every run, and no deadline: a slow machine is no failure.
settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
# For a long search on a machine of one's own: HYPOTHESIS_PROFILE=search.
settings.register_profile("search", parent=settings.get_profile("ci"), derandomize=False, max_examples=3_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
