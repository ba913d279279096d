"""An hour in which much happens and more goes wrong, and what must be so when it is over.

Machines in all clouds, users who change their objects, people who change machines behind the operator's back, clouds and an
API server that fail, and kill -9. What happens is drawn from a seed. May import the lab, the bed of the operator and its
people.
"""
