"""Attestations: what a proof said of one asset or strategy, for whoever may promote nothing without one."""

from warehouse.table import Column, Table, key_column

ATTESTATIONS = Table(
    schema="ledger",
    name="attestations",
    description="What one look-ahead proof found of one asset or strategy.",
    columns=(
        key_column("attestation_id", "VARCHAR", "id", "The proof."),
        key_column("what", "VARCHAR", "asset | strategy | book", "Kind of thing."),
        key_column("name", "VARCHAR", "name", "Asset key schema/table, or name of the strategy."),
        Column("version", "VARCHAR", "version", "Version of the strategy; NULL for anything else."),
        Column(
            "identity",
            "VARCHAR",
            "SHA-256",
            "Of the strategy's version, universe and parameters in the proof, which says nothing of others;"
            " NULL for anything else.",
        ),
        Column("params_json", "VARCHAR", "JSON", "Those parameters, defaults filled in."),
        Column("code_version", "VARCHAR", "version", "Version of the code.", nullable=False),
        Column("config_hash", "VARCHAR", "SHA-256", "Hash of the configuration.", nullable=False),
        Column("feed", "VARCHAR", "name", "Source that the rows came from.", nullable=False),
        Column("simulated", "BOOLEAN", "flag", "True when the rows were made up.", nullable=False),
        Column("modes", "VARCHAR", "names", "What was done to later rows, joined by a comma."),
        Column("perturbations", "BIGINT", "count", "Other futures it was computed in.", nullable=False),
        Column("cuts", "BIGINT", "count", "Materialisations it was compared in.", nullable=False),
        Column("cells", "BIGINT", "cells", "Known cells compared.", nullable=False),
        Column("changed", "BIGINT", "cells", "Known cells that changed; 0 is a pass.", nullable=False),
        Column("planted", "BIGINT", "count", "Leaks planted beside it.", nullable=False),
        Column("caught", "BIGINT", "count", "How many of them the proof noticed.", nullable=False),
        Column("false_alarms", "BIGINT", "count", "Honest twins that it flagged.", nullable=False),
        Column("seed", "BIGINT", "integer", "Seed of instants and futures.", nullable=False),
    ),
    key=("attestation_id", "what", "name"),
    policy="once",
    known_at="recorded",
)

ATTESTATION_TABLES = (ATTESTATIONS,)
