"""Clouds and people that deceive the operator about what is whose, and what it must not do then.

May import the lab, the bed of the operator and its people.
"""
