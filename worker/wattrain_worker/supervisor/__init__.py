"""The supervisor: starts the ranks, measures, serves what it knows, and decides nothing but the group's next start.

Standard library and prometheus_client only, Python >= 3.9: it travels into images that have nothing of ours.
"""
