"""What the engine does with the objects of every kind that is managed in a cloud.

``kind`` reconciles: it opens a ``case``, has the kind's plan decide on what ``sight`` puts together, has ``steps`` take the
next step, and ``report`` tell how it stands. ``memo`` is what is remembered in between, ``attempts`` how often a step was
tried, ``tasks`` follows long operations, ``claim`` decides who may take over what exists.
"""
