"""People who change any field of a spec to anything. Fields and values come from the schemas in crds/, so that a new field
or kind is tried without a word here.

May import the lab, the bed of the operator and its people.
"""
