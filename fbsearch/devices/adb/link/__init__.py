"""Bytes to and from a device that speaks ADB: links, packets, streams, services, connections that return."""
