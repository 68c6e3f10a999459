"""The commands, a file each: its options, what it does, what it prints.

Each imports what it needs when it runs, so that ``--help`` answers at once.
"""
