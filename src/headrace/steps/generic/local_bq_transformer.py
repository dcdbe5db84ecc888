"""``generic.local_bq_transformer``: a SQL step in BigQuery's dialect."""

from __future__ import annotations

from typing import ClassVar

from headrace.sql.library import Dialect
from headrace.steps.generic.sql_transformer import SqlTransformer


class LocalBigQueryTransformer(SqlTransformer):
    """A SELECT in BigQuery's dialect, run by the destination that the pipeline has."""

    processor: ClassVar[str] = "generic.local_bq_transformer"

    dialect: Dialect = "bigquery"
