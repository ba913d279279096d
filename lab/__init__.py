"""The lab: the bed that the demo, the tests, the chaos suite and the benchmarks stand on.

A real Kubernetes control plane, three simulated clouds, a fault proxy in front of each of them, and Prometheus.
Every server listens on a free loopback port and is ended by the PID that the lab itself started.

Each server is a class with ``start()`` (spawns and returns at once), ``wait()`` (blocks until it answers) and
``stop()``; all are context managers. The lab never imports ``hybridge``: what it simulates must not know the product.
"""
