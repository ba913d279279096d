"""Everything between Kubernetes and the clouds: store, queue, reconciler, inventory, bulkheads.

May import ``drivers.base``, ``api`` and ``core``. What it needs of Kubernetes is the port in ``cluster``.
"""
