"""The HTTP interface: answers from a copy in memory, never from the warehouse."""
