"""The operator: one pure core that decides, and the backends that observe and apply."""
