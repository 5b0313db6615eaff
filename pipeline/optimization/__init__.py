"""Search over parameters, and the statistics that tell skill from luck."""
