"""kill -9 and lost answers at every call of the operator, to its cloud and to the API server, and what must be true then.

The calls are not listed anywhere: a life of a machine is lived once behind proxies that count, and every call that they
counted is a hook where the next life is struck. May import the lab, the bed of the operator and its people.
"""
