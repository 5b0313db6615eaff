"""Reads the YAML of a source into its settings model, with file, line, field and fix in every complaint."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.config.document import read_document
from pipeline.config.problems import explain
from pipeline.config.secrets import refuse_secrets

if TYPE_CHECKING:
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)


def read_settings(path: Path, model: type[Model], *, root: Path | None = None) -> Model:
    """Return the validated settings of one file.

    Raises
    ------
    ConfigError
        When the file is missing, is no YAML mapping, holds a secret, or breaks a rule of the model.
    """
    document = read_document(path, root=root)
    refuse_secrets(document.data, document.where)
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise explain(error, model, where=document.where) from error
