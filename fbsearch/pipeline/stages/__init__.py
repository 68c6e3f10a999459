"""The stages that stand alone: each reads files and writes files."""
