"""The kind VirtualMachine: one reconcile from the picture of the cloud to a plan, its next step, and its report.

``kind`` leads; ``sight`` puts together what the plan looks at, ``steps`` changes the cloud, ``claim`` says what may be
taken over, ``group`` keeps machines apart, ``tasks`` takes in how long operations ended, ``report`` tells, and ``memo``
is what is remembered between two reconciles.
"""
