"""The benchmark binaries: where they come from, how they are launched, what they print."""
