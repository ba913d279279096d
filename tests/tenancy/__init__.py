"""Namespaces to which a Provider is granted and taken away again: what is done for whom, and what is not.

May import the lab, the bed of the operator and its people.
"""
