"""What the operator, its supervisors and their ranks say to one another, as typed structures.

Standard library only, Python >= 3.9: the supervisor carries this package into foreign images. Both sides build and
read messages through these structures and `codec`; docs/worker-contract.md is generated from them. Versions may
differ: a new field is optional, and an unknown one is ignored.
"""
