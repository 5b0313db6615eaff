"""Proof that nothing known at an instant depends on what became known later."""
