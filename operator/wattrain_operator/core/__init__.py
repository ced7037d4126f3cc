"""The core: `plan(Observed) -> Plan`. Pure: no I/O, no clock, no event loop; `now` is a field of what was observed."""
