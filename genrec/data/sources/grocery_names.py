"""Readable words for the grocer's shorthand: ``FRZN BREADED PREPARED CHICK`` and its like.

The source cuts every type at 30 characters, so the commonest types are spelled out whole and what
is left of an open bracket is dropped.
"""

from __future__ import annotations

import re

WHOLE = {
    "BEERALEMALT LIQUORS": "beer, ale and malt liquor",
    "BUTTER SPRAY CRACKER (RITZ/CLU": "butter crackers",
    "CAN CATFD GOURMET/SUP PREM (GR": "gourmet canned cat food",
    "CANDY BARS (SINGLES)(INCLUDING": "candy bar",
    "CANISTER POTATO/TORT CHIPS": "canister potato or tortilla chips",
    "DAIRY CASE 100% PURE JUICE - O": "100% pure orange juice",
    "DAIRY CASE FRUIT DRINKS (NO JU": "refrigerated fruit drinks",
    "DAIRY CASE JUICE DRNK UNDER 10": "refrigerated juice drink",
    "FACIAL TISSUE & PAPER HANDKE": "facial tissues",
    "FLUID MILK WHITE ONLY": "white milk",
    "FRZN BAGGED VEGETABLES - PLAIN": "frozen vegetables, plain",
    "FRZN BOXED VEGETABLES- VALUE A": "frozen vegetables with sauce",
    "FRZN BREADED PREPARED CHICK": "frozen breaded chicken",
    "FRZN GARLIC BREAD/TOAST/STICKS": "frozen garlic bread",
    "FRZN SS PREMIUM ENTREES/DNRS/N": "frozen premium entree",
    "FRZN SS PREMIUM ENTREES/DNRS/T": "frozen premium dinner",
    "IWS SINGLE CHEESE": "wrapped cheese slices",
    "MAINSTREAM WHEAT/MULTIGRAIN BR": "wheat or multigrain bread",
    "MAINSTREAM WHITE BREAD": "white bread",
    "MEXICAN SAUCESSALSAPICANTEE": "Mexican sauces, salsa and picante",
    "MEXICAN SOFT TORTILLAS AND WRA": "Mexican soft tortillas and wraps",
    "MISC: HERRING PICKLES HORSER": "herring, pickles and horseradish",
    "NATURAL CHEESE EXACT WT CHUNKS": "natural cheese chunk",
    "NATURAL CHEESE EXACT WT SLICES": "natural cheese slices",
    "NON-CRBNTD DRNKING/MNERAL WATE": "still mineral water",
    "PREMIUM COOKIES (EX: PEPPERIDG": "premium cookies",
    "REFRIGERATED SPECILATY ROLLS": "refrigerated specialty rolls",
    "RTS SOUP: CHUNKY/HOMESTYLE ET": "ready-to-serve soup",
    "SEMI-SOLID SALAD DRESSING MAY": "mayonnaise",
    "SFT DRNK 2 LITER BTL CARB INCL": "soft drink, 2 liter bottle",
    "SFT DRNK MLT-PK BTL CARB (EXCP": "soft drink, bottles multi-pack",
    "SFT DRNK SNGL SRV BTL CARB (EX": "soft drink, single bottle",
    "SGL SV/VEND MACH SNACKS CHIP/P": "single-serve snack chips",
    "SNACK CAKE - MULTI PACK": "snack cakes, multi-pack",
    "SOFT DRINKS 12/18&15PK CAN CAR": "soft drink, 12 to 18 cans",
    "SOFT DRINKS 20PK&24PK CAN CARB": "soft drink, 20 to 24 cans",
    "SOFT DRINKS 6PK/4PK CAN CARB (": "soft drink, 4 to 6 cans",
    "SS ECONOMY ENTREES/DINNERS ALL": "frozen economy entree",
    "VARIETY BEANS - KIDNEY PINTO": "kidney, pinto and other beans",
    "YOGURT NOT MULTI-PACKS": "yogurt cup",
}

WORDS = {
    "addl": "additional", "bbq": "BBQ", "bevs": "beverages",
    "bkd": "baked", "bkngwares": "bakeware", "bn": "beans", "brd": "breaded",
    "brkfst": "breakfast", "bskt": "basket", "btl": "bottle", "btr": "butter", "can": "canned",
    "carb": "carbonated", "catfd": "cat food", "chick": "chicken", "chix": "chicken",
    "choc": "chocolate", "chococlate": "chocolate", "ckys": "cookies", "cleang": "cleaning",
    "cndy": "candy", "cntrl": "control", "conc": "concentrate", "cookng": "cookware",
    "crbntd": "carbonated", "crkr": "crackers", "crmd": "crushed", "crystl": "crystal",
    "disposible": "disposable", "dnr": "dinner", "dnrs": "dinners", "dogfd": "dog food",
    "drnk": "drink", "drnks": "drinks", "drnkng": "drinking", "drnking": "drinking",
    "drsng": "dressing", "dvd": "DVD", "elect": "electric", "excp": "except", "fd": "food",
    "fem.": "feminine", "flvr": "flavor", "flvrd": "flavored", "fre": "fresh", "frzn": "frozen",
    "gds": "goods", "gm": "general merchandise", "grnd": "ground", "hbc": "health and beauty",
    "handke": "handkerchiefs", "hygn.": "hygiene", "hygn.napkins": "hygiene napkins",
    "incl": "including", "ingred": "ingredients", "jce": "juice", "jhook": "small goods",
    "j-hooks": "small goods", "liq": "liquid", "liqs": "liquids", "lndry": "laundry",
    "mach": "machine", "memorablilia": "memorabilia", "mfg": "manufacturer", "misc": "other",
    "misc.": "other", "miscellaneous": "other", "mlt-pk": "multi-pack", "mneral": "mineral",
    "mnrl": "mineral", "mtl": "metal", "mw": "microwave", "mx": "mix", "mxs": "mixes",
    "nat": "natural", "ntrtnl": "nutritional", "nutritnl": "nutritional", "nz": "New Zealand",
    "oj": "orange juice", "orgnc": "organic", "pckgd": "packaged", "pk": "pack",
    "pkg": "package", "pkgd": "packaged", "pkld": "pickled", "plstc": "plastic",
    "pnt": "peanut", "prem": "premium", "prep": "prepared", "prod": "produce",
    # pragma: allowlist nextline secret
    "pwdr": "powder", "refigerated": "refrigerated", "refrgratd": "refrigerated",
    "refrig": "refrigerated", "rts": "ready to serve", "sal": "salad", "sald": "salad",
    "saus": "sausage", "seafood-fre-misc": "other fresh seafood", "sft": "soft", "sgl": "single",
    "sndwch": "sandwich", "sngl": "single", "snks": "snacks", "specilaty": "specialty",
    "sply": "supplies", "sprd": "spread", "srv": "serve", "ss": "single-serve", "sup": "super",
    "suppplies": "supplies", "supp": "supplement", "sv": "serve", "sw": "sweet",
    "sweetners": "sweeteners", "tiss": "tissues", "tort": "tortilla", "trsh": "trash",
    "tv": "TV", "vac": "vacuum", "veg": "vegetables", "vend": "vending", "whl": "whole",
    "whlsm": "wholesome", "whs": "warehouse", "wt": "weight", "wtr": "water", "bg": "bags",
    "preshcool": "preschool", "childrens": "children's", "x-large": "extra large",
}  # fmt: skip

PROPER = frozenset(
    """american asian australian calgon california chinese christmas easter english french german
    greek halloween hansen hispanic indian italian italy japanese mexican oriental sally spanish
    swiss thai valentine vidalia""".split()  # noqa: SIM905 - a list of words reads best as words
)

GENERIC = frozenset(
    """regular premium economy mainstream traditional lean primal enhanced other choice select all
    blends plus garden stick sticks enrobed poultry ham mild sweet hot fresh whole raw frozen
    smoked cooked natural specialty basic basics kids adult misc bulk combo entrees rolls pints
    boneless bone breast light family singles value multi pack everyday seasonal wrap pantry
    brushes construction organic red white yellow green meat pork links super prepared imported
    domestic bagged packaged instore head variety and the with of in iqf""".split()  # noqa: SIM905
)
"""Words that name no product by themselves, so that the category has to be said too."""

UNITS = {
    "OZ": "oz", "LB": "lb", "LBS": "lb", "CT": "ct", "PK": "pack", "ML": "ml", "L": "l",
    "LT": "l", "LTR": "l", "QT": "qt", "PT": "pt", "GAL": "gal", "GA": "gal", "SQ": "sq",
    "FT": "ft", "IN": "in", "YD": "yd", "DZ": "dozen", "DOZ": "dozen", "EA": "each", "PET": "",
    "PC": "pieces", "KG": "kg", "G": "g", "GR": "g", "MG": "mg", "FL": "fl", "RL": "rolls",
    "ROLL": "rolls", "BOX": "box", "BAG": "bag", "CAN": "can", "NR": "", "PLS": "", "RTRN": "",
}  # fmt: skip


def product_name(category: str | None, kind: str | None) -> str:
    """What a product is called: its type, and its category where that says too little."""
    group, name = _words(category or ""), _words(kind or "")
    if not name or name == group:
        return _sentence(group or name)
    own = set(re.findall(r"[a-z]+", name.lower()))
    if own & set(re.findall(r"[a-z]+", group.lower())) - GENERIC or own - GENERIC:
        return _sentence(name)
    return _sentence(f"{group}, {name}")


def category_name(raw: str | None) -> str | None:
    """A department, category or type in readable words; ``None`` where the source has none."""
    return _sentence(_words(raw)) if raw else None


def size_name(raw: str | None, department: str | None = None) -> str | None:
    """``8/5.3 OZ`` as ``8 x 5.3 oz``, ``14.0 OZ`` as ``14 oz``; ``None`` where there is none.

    For fruit and vegetables large sizes are the grower's crate, not what a shopper takes home.
    """
    text = re.sub(r"\(.*?\)", "", (raw or "").upper())
    text = re.sub(r"^[^\d.]+", "", text).strip()
    amount = re.match(r"[\d.]*\d", text)
    if not amount or re.search(r"\d{6}", text):
        return None
    if department == "PRODUCE":
        crate = re.fullmatch(r"(\d+)(?:\.\d+)?(?:-\d+)? (LB|CT)", text)
        if crate and int(crate[1]) > {"LB": 10, "CT": 12}[crate[2]]:
            return None
    text = re.sub(r"(\d)\.0+\b", r"\1", text)
    text = re.sub(r"(\d)([A-Z])", r"\1 \2", text)
    text = re.sub(r"\s*PK?\s*/\s*", " x ", text)
    text = re.sub(r"(?<=\d)\s*/\s*(?=\d+(\.\d+)?\s*[A-Z])", " x ", text)
    words = [UNITS.get(word, word.lower()) for word in text.split()]
    return " ".join(word for word in words if word) or None


def _words(raw: str) -> str:
    raw = " ".join(raw.split())
    if raw in WHOLE:
        return WHOLE[raw]
    text = re.sub(r"\([^)]*$", "", raw)
    text = re.sub(r"\bW/", "with ", text.replace("&", " and "))
    text = re.sub(r"\s*/\s*", "/", text)
    text = re.sub(r"\s*:\s*", ": ", text)
    text = re.sub(r"\s+-\s*|(?<=[A-Z])-\s+", ", ", text)
    parts = re.findall(r"[A-Za-z0-9.'%-]+|[^A-Za-z0-9.'%-]+", text)
    words = "".join(_word(part) for part in parts)
    return re.sub(r"\s+", " ", words).strip(" ,:-/")


def _word(part: str) -> str:
    lower = part.lower()
    if lower in WORDS:
        return WORDS[lower]
    if "-" in lower.strip("-"):
        return "-".join(_word(piece) for piece in lower.split("-"))
    return lower.capitalize() if lower in PROPER else lower


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
