"""Texts that must be seen nowhere, and everywhere that they are looked for.

May import the lab, the bed of the operator and the lives of ``tests.crash``.
"""
