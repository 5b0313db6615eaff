"""The life of a strategy: its states, the gates between them, who approved what, and hold-out windows."""
