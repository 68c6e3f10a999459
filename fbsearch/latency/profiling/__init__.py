"""What is asked for: profile a space, grow a table, calibrate it, check it."""
