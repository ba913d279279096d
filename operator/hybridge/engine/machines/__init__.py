"""The kind VirtualMachine: one reconcile from the picture of the cloud to a plan, its next step, and its report.

``kind`` leads; ``sight`` puts together what the plan looks at, ``steps`` changes the cloud, ``report`` tells, ``memo`` is
what is remembered between two reconciles, ``group`` keeps machines apart.
"""
