"""The ``meta`` schema: what the store knows about itself."""

from warehouse.table import Column, Table, key_column

MANIFESTS = Table(
    schema="meta",
    name="manifests",
    description="One materialisation of one table: what it read, with what, and what it wrote.",
    columns=(
        key_column("manifest_id", "VARCHAR", "id", "The manifest."),
        Column("table_name", "VARCHAR", "schema.name", "Table it wrote.", nullable=False),
        Column("asset", "VARCHAR", "schema/name", "Asset that was materialised."),
        Column("dagster_run_id", "VARCHAR", "id", "Dagster run."),
        Column("inputs_json", "VARCHAR", "JSON", "What was read: table, as of, rows, digest."),
        Column("config_hash", "VARCHAR", "SHA-256", "Hash of the values that can change a result."),
        Column("code_version", "VARCHAR", "version", "Version of the code."),
        Column("seed", "BIGINT", "integer", "Seed of the run."),
        Column("versions_json", "VARCHAR", "JSON", "Versions of the libraries."),
        Column("started_at", "TIMESTAMPTZ", "UTC", "When the work started."),
        Column("seconds", "DOUBLE", "seconds", "How long the work took."),
        Column("rows", "BIGINT", "rows", "Rows handed in."),
        Column("inserted", "BIGINT", "rows", "Rows of new keys."),
        Column("revised", "BIGINT", "rows", "New versions of stored keys."),
        Column("digest", "VARCHAR", "SHA-256", "Digest of the rows handed in."),
    ),
    key=("manifest_id",),
    policy="once",
    known_at="recorded",
)

MIGRATIONS = Table(
    schema="meta",
    name="migrations",
    description="One change of the schema that was applied to this file.",
    columns=(
        key_column("number", "INTEGER", "count", "Number of the migration, from 1."),
        Column("title", "VARCHAR", "text", "What it did.", nullable=False),
    ),
    key=("number",),
    policy="once",
    known_at="recorded",
)

SPOOLED = Table(
    schema="meta",
    name="spooled",
    description="One urgent write that reached the file, at once or by way of the spool.",
    columns=(
        key_column("entry_id", "VARCHAR", "id", "Decision and table: <decision id>/<schema.name>."),
        Column("table_name", "VARCHAR", "schema.name", "Table it wrote.", nullable=False),
        Column("rows", "BIGINT", "rows", "Rows handed in."),
        Column("digest", "VARCHAR", "SHA-256", "Digest of the rows handed in."),
        Column("via", "VARCHAR", "write | spool", "How it came in."),
    ),
    key=("entry_id",),
    policy="once",
    known_at="recorded",
)

DIGESTS = Table(
    schema="meta",
    name="digests",
    description="One leaf of a table's digest tree, kept so that only what is new is hashed.",
    columns=(
        key_column("table_name", "VARCHAR", "schema.name", "Table."),
        key_column("month", "DATE", "UTC", "First day of the month; 1970-01-01 without time axis."),
        key_column("block", "VARCHAR", "text", "JSON list of the values of the block columns."),
        Column("rows", "BIGINT", "rows", "Visible versions the leaf was computed from."),
        Column("newest_recorded", "TIMESTAMPTZ", "UTC", "Largest recorded_at among them."),
        Column("newest_known", "TIMESTAMPTZ", "UTC", "Largest known_at among them."),
        Column("live_rows", "BIGINT", "rows", "Newest versions in the leaf."),
        Column("digest", "VARCHAR", "SHA-256", "Digest of the newest versions."),
    ),
    key=("table_name", "month", "block"),
    policy="latest",
    known_at="recorded",
)

ARTIFACTS = Table(
    schema="meta",
    name="artifacts",
    description="One file under var/artifacts that belongs to a result.",
    columns=(
        key_column("path", "VARCHAR", "path", "Path below the artifact folder."),
        Column("kind", "VARCHAR", "name", "What it is (report, picture, array)."),
        Column("run_id", "VARCHAR", "id", "Run it belongs to."),
        Column("bytes", "BIGINT", "bytes", "Size."),
        Column("digest", "VARCHAR", "SHA-256", "Digest of the file."),
        Column("simulated", "BOOLEAN", "flag", "True when it shows simulated data."),
    ),
    key=("path",),
    known_at="recorded",
)

INGESTS = Table(
    schema="meta",
    name="ingests",
    description="What the last ingest of a feed into a table read, found and left, so that the same need not"
    " be done again.",
    columns=(
        key_column("feed", "VARCHAR", "name", "Source configuration."),
        key_column("table_name", "VARCHAR", "schema.name", "Table it went into."),
        Column("fingerprint", "VARCHAR", "SHA-256", "Hash of files, mapping, instruments, code and window."),
        Column("fetched", "BIGINT", "rows", "Rows that the source delivered.", nullable=False),
        Column("quarantined", "BIGINT", "rows", "Rows that were set aside.", nullable=False),
        Column("findings_json", "VARCHAR", "JSON", "What validation had to say.", nullable=False),
        Column("stored_json", "VARCHAR", "JSON", "What the warehouse held of the feed afterwards."),
    ),
    key=("feed", "table_name"),
    known_at="recorded",
)

META_TABLES = (MANIFESTS, MIGRATIONS, SPOOLED, DIGESTS, ARTIFACTS, INGESTS)
