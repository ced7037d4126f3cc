"""Our joules beside those of published models, for the same work."""
