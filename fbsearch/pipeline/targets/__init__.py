"""The devices of a run, all alike: each with its budget, table, meter and verification."""
