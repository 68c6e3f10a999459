"""Latencies of operators that a table lacks, estimated from those that it holds."""
