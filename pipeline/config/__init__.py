"""Settings: YAML files under ``configs/`` validated by pydantic, with the source of every field."""
