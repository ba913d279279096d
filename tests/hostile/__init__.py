"""Answers of clouds that no client should trust: rewritten by the fault proxy, at every call of a life.

May import the lab, the contract's beds, and the lives of ``tests.crash``.
"""
