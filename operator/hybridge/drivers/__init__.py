"""The clouds, one folder each, behind one port (``base``). A folder may import ``core`` and ``base`` and its own SDK."""
