"""What all tests share: how Hypothesis looks for counterexamples."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The same examples in every run, and no deadline: a slow machine is no failure. No folder of examples is left behind.
settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
# For a long search on a machine of one's own: HYPOTHESIS_PROFILE=search.
settings.register_profile("search", parent=settings.get_profile("ci"), derandomize=False, max_examples=3_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
