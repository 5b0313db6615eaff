"""What the Bitcoin chain itself says: blocks and transactions as columns, issuance, daily metrics."""
