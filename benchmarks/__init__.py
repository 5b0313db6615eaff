"""Speed measured side by side with peers in one run, and the runner that proves the claims."""
