"""Chain sources: what tells the days and the blocks of the Bitcoin chain, one module per adapter."""
