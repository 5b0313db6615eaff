"""The ``bells`` command, one module per command group."""
