"""UCI Online Retail: a year of a British gift wholesaler's invoices.

Left out, with the count in the log: lines without a customer, returns (no positive quantity), and
codes that are no products (postage, charges, samples, manual corrections). The lines of an invoice
share one time and their order says nothing, so evaluate by ``last-basket``.
"""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.rows import as_times, found
from genrec.data.sources.downloads import Download
from genrec.data.sources.files import read_table
from genrec.data.sources.folders import read_columns
from genrec.errors import InputError, nearest

log = logging.getLogger(__name__)

_COLUMNS = [
    "InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID",
    "Country",
]  # fmt: skip
DOWNLOAD = Download(
    "UCI Online Retail",
    "online-retail",
    "the page 'Online Retail' of the UCI Machine Learning Repository (archive.ics.uci.edu), saved "
    "from the spreadsheet as CSV",
    "CC BY 4.0",
)
PREPARED = "online_retail.parquet"
# Online Retail II calls some columns otherwise.
_SECOND = {"Invoice": "InvoiceNo", "Price": "UnitPrice", "Customer ID": "CustomerID"}
_TIMES = ("%m/%d/%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M")


def load(folder: str | Path | None = None) -> Dataset:
    """Customers, products with the median price in pounds, invoices as baskets, countries.

    Args:
        folder: holds the spreadsheet saved as CSV: ``Online Retail.csv``, ``OnlineRetail.csv``,
            ``data.csv``, or ``online_retail_II.csv`` of the second edition; by default
            ``online-retail`` of the benchmark data, where the prepared table will do as well.

    Raises:
        InputError: the files are absent or damaged.
    """
    where = DOWNLOAD.at(folder)
    prepared = folder is None and (where / PREPARED).is_file()
    lines = read_columns(where / PREPARED, _COLUMNS) if prepared else _from_csv(where)
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


def _from_csv(folder: Path) -> pl.DataFrame:
    names = ["Online Retail.csv", "OnlineRetail.csv", "online_retail_II.csv", "data.csv"]
    path = DOWNLOAD.files(folder, {"invoices": names})["invoices"]
    try:
        file = read_table(path, named=False)
    except InputError as error:
        if "not text in utf-8" not in str(error):
            raise
        file = read_table(path, encoding="latin-1", named=False)
    table = file.table.rename(_SECOND, strict=False)
    if missing := [name for name in _COLUMNS if name not in table.columns]:
        raise InputError(
            f"{path} has another header than it should have.",
            [f"no column '{name}'; {nearest(name, table.columns)}" for name in missing],
        )
    problems: list[str] = []
    for name in ("Quantity", "UnitPrice"):
        values = table[name].cast(pl.Float64, strict=False)
        problems += found(
            values.is_null(), table[name], f"{name} '{{value}}' is no number", file.rows
        )
        table = table.with_columns(values)
    tried = [as_times(table["InvoiceDate"], file.rows, pattern=one) for one in _TIMES]
    times, wrong = min(tried, key=lambda one: len(one[1]))
    if problems := problems + wrong:
        raise InputError(f"{path} has {len(problems)} broken row(s).", problems)
    # A spreadsheet stores whole numbers as floats: 17850.0.
    customer = pl.col("CustomerID").str.replace(r"\.0$", "")
    return table.select(_COLUMNS).with_columns(times.alias("InvoiceDate"), customer)
