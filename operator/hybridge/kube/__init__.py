"""Kubernetes: the watch that feeds the engine, the client that serves it, the Lease that lets it act.

May import ``engine``, ``api`` and ``core``. Nothing here decides anything.
"""
