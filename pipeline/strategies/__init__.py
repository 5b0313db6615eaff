"""Pure, causal functions from a context to weights."""
