"""Pure rules: plan, identity, conditions, units. No I/O, no clock (time is an argument), no SDK.

May import nothing of Hybridge but itself.
"""
