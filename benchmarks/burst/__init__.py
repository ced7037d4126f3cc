"""How fast the operator turns many jobs into pods, beside what the same API server can do at all."""
