"""The step kernel, the engine that loops it over history, metrics and reports."""
