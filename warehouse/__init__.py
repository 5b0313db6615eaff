"""The DuckDB store: tables declared once, locking, versions on two clocks, manifests."""
