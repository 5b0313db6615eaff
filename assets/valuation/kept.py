"""A valuation that would come out as it did last time: known without walking, and shown again.

The newest manifests say what the stored rows were made from: the digest of the history, settings, code and
libraries.  While all of it is the same, walking again would write nothing.  Tables and numbers are shown from
the stored rows that the walk gave; pictures are of that run.  Wherever a part is missing, models walk.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.manifests import code_text
from assets.valuation.given import marked, stored_rows
from assets.valuation.report import Part
from assets.valuation.walk import GIVEN, TABLES
from warehouse.append import Appended

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.manifest import Manifest
    from warehouse.store import Warehouse
    from warehouse.table import Table

WALKED_IN, CODE, SETTINGS = "walked in run", "code", "settings"
CARRIED = (GIVEN, "picture", "coverage", "models without data")
"""What a materialisation shows that stored rows do not tell."""


def walked_in(context: dg.AssetExecutionContext, config: str) -> dict[str, str]:
    """Return the metadata by which a later run knows which run walked, with which code and settings."""
    return {WALKED_IN: context.run.run_id, CODE: code_text(), SETTINGS: config}


def recall(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    manifest: Manifest,
    *,
    feed: str,
    config: str,
    now: datetime,
) -> tuple[Part, ...] | None:
    """Return what the last run left in each of `TABLES`, if models would give the same again; else None.

    Parameters
    ----------
    context
        Of the run that asks; its instance holds the materialisations.
    warehouse
        The store.
    manifest
        That of a write which this run would do.
    feed, config
        Which rows are its own.
    now
        As which instant rows are read.
    """
    found = [_recall(context.instance, warehouse, manifest, each, feed, config, now) for each in TABLES]
    parts = tuple(each for each in found if each is not None)
    return parts if len(parts) == len(TABLES) else None


def _recall(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    manifest: Manifest,
    table: Table,
    feed: str,
    config: str,
    now: datetime,
) -> Part | None:
    last = _newest_manifest(warehouse, table)
    if last is None or last["basis"] != _basis(manifest):
        return None
    event = instance.get_latest_materialization_event(dg.AssetKey(table.asset_key))
    told = event.asset_materialization.metadata if event and event.asset_materialization else {}
    texts = {name: told[name].value for name in (WALKED_IN, CODE, SETTINGS) if name in told}
    if texts != {WALKED_IN: last["dagster_run_id"], CODE: code_text(), SETTINGS: config}:
        return None
    if GIVEN not in told:
        return None
    stored = stored_rows(warehouse, table, feed=feed, config=config, at=now)
    rows = marked(table, stored, str(told[GIVEN].value))
    if rows is None:
        return None
    done = Appended(
        table.full_name, rows.height, 0, 0, rows.height, None, last["manifest_id"], last["digest"]
    )
    carried = {name: told[name] for name in CARRIED if name in told}
    return Part(rows, done, {**carried, **texts, "walked": False})


def _newest_manifest(warehouse: Warehouse, table: Table) -> dict[str, Any] | None:
    names = ("manifest_id", "dagster_run_id", "digest")
    basis = ("asset", "inputs_json", "config_hash", "code_version", "versions_json")
    with warehouse.read() as cursor:
        row = cursor.execute(
            f"SELECT {', '.join((*names, *basis))} FROM meta.manifests WHERE table_name = ? "
            "ORDER BY manifest_id DESC LIMIT 1",
            [table.full_name],
        ).fetchone()
    if row is None:
        return None
    asset, inputs, config, code, versions = row[len(names) :]
    read = [{**each, "at": None} for each in json.loads(inputs)]
    return {
        **dict(zip(names, row, strict=False)),
        "basis": (asset, read, config, code, json.loads(versions)),
    }


def _basis(manifest: Manifest) -> tuple[object, ...]:
    """Return what rows depend on; when they were read is not among it."""
    return (
        manifest.asset,
        [{**each.to_dict(), "at": None} for each in manifest.inputs],
        manifest.config_hash,
        manifest.code_version,
        dict(manifest.versions),
    )
