"""One module per job: the workload, our public call, and what must be equal to the peer's answer."""
