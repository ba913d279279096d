"""What may happen to the cluster itself: two leaders, an API server that is away, stale or restored, another cluster.

A herd of machines lives on every cloud there is while it happens. May import the lab, the bed of the operator and people.
"""
