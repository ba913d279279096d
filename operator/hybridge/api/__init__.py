"""The custom resources as typed models, and the CRDs that are generated from them.

May import core and msgspec, nothing else of Hybridge. The models read what the API server admitted: they check types
only, for bounds and rules are the CRD's. Fields that they do not know are ignored.
"""
