"""Every alert, caused for real on a cluster with a real node."""
