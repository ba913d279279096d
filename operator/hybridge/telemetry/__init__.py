"""Metrics, health and logs. May import ``engine`` (its ports) and ``core``."""
