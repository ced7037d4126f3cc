"""How long the preparation of a table takes, beside polars doing the same with less care."""
