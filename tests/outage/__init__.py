"""One of several clouds is in trouble for a while: what the others feel of it, and how it is asked when it is back.

May import the lab, the bed of the operator and its people.
"""
