"""UCI Online Retail: a year of a British gift wholesaler's invoices.

Left out, with the count in the log: lines without a customer, returns (no positive quantity), and
codes that are no products (postage, charges, samples, manual corrections). The lines of an invoice
share one time and their order says nothing, so evaluate by ``last-basket``.
"""

from __future__ import annotations

import logging

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.folders import data_folder, read_columns

log = logging.getLogger(__name__)

_COLUMNS = [
    "InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID",
    "Country",
]  # fmt: skip


def load() -> Dataset:
    """Customers, products with the median price in pounds, invoices as baskets, countries.

    Raises:
        InputError: the folder is absent or damaged.
    """
    lines = read_columns(data_folder("online-retail") / "online_retail.parquet", _COLUMNS)
    # Product codes are five digits and perhaps letters, with and without capitals.
    lines = lines.with_columns(pl.col("StockCode").str.to_uppercase())
    kept = lines.filter(
        pl.col("CustomerID").is_not_null()
        & (pl.col("Quantity") > 0)
        & pl.col("StockCode").str.contains(r"^\d{5}")
    )
    log.info("online_retail: %d of %d lines are left out", lines.height - kept.height, lines.height)
    said = pl.col("Description").str.strip_chars().drop_nulls().mode().sort().first()
    items = kept.group_by("StockCode", maintain_order=True).agg(
        said.alias("title"),
        pl.col("UnitPrice").filter(pl.col("UnitPrice") > 0).median().alias("price"),
    )
    items = items.with_columns(
        pl.col("title").str.slice(0, 1).str.to_uppercase()
        + pl.col("title").str.slice(1).str.to_lowercase()
    )
    customers = kept.select(user_id=pl.col("CustomerID").cast(pl.String), country="Country").unique(
        "user_id", keep="last", maintain_order=True
    )
    events = kept.select(
        user_id="CustomerID", item_id="StockCode", time="InvoiceDate", basket_id="InvoiceNo"
    )
    return assemble(
        Catalog(items.rename({"StockCode": "item_id"})),
        events,
        name="online_retail",
        user_table=customers,
    )
