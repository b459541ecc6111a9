"""The commands of the pages' consoles: which are run, in groups that share a prepared run.

A line is written as on its page, without the comment. What truly is not run here says why.
"""

from tests.page_trainings import TRAININGS
from tests.test_docs import FENCE, HERE, OWN_DATA, PAGES

# A small shop, so that what a page does with its data set takes a second.
SHOP = "{reviews: true, items: 60, shoppers: 40}"
SMALL = {
    "name": "small",
    "data": {"source": "toy_shop", "options": {"items": 60, "shoppers": 40}},
    "encode": {"model": "minilm"},
    "semantic_ids": {"levels": 2, "codebook_size": 32},
    "llm": {"name": "tiny", "adapt": "full"},
    "prompt": {"history": 10},
    "packing": {"row_tokens": 96},
    "train": {"steps": 2, "batch_size": 4, "learning_rate": 0.003},
    "evaluate": {"validation_users": 20, "against": ["popular"]},
}
# Recipes that read what is not at hand, or would take hours: the small shop under their names.
STAND_INS = ("quickstart", "quickstart-llm", "beauty")
# What the pages' data sets call a user or an item, and what the small shop does.
NAMES = {
    "1912": "shopper0003", "900": "shopper0004", "1001": "shopper0005", "42": "shopper0006",
    "925626": "toy0007",
}  # fmt: skip
# By group, in this order: each line with what is added to make it small.
RUN = {
    "run": {
        "genrec doctor": "",
        "genrec show runs/quickstart": "",
        "genrec recommend runs/quickstart --user 1912 -n 5 --new --why": "",
        "genrec recommend runs/quickstart --all-users --into lists -n 20": "",
        "genrec recommend runs/quickstart --users today.txt --into lists-today --new": "",
        "genrec recommend runs/quickstart --all-users --into cheap"
        """ --where '{"price": {"max": 5}}'""": "",
        "genrec chat runs/quickstart --user 900": "",
        "genrec chat runs/quickstart --session ID": "",
        "genrec write runs/quickstart --item 925626 --user 1001": "",
        "genrec write runs/quickstart --item 925626 --user 1001 --channel email --language de": "",
        "genrec run quickstart data.core=0 --until load_data --into runs/journey": "",
        "genrec profile runs/journey --user 42 --intensity 0.4": "",
        "genrec profile runs/journey --segments": "",
        "genrec profile runs/journey --user 42 --drift": "",
        "genrec profile runs/journey --forget 42": "",
        "genrec update runs/quickstart new.parquet --dry-run": "",
        "genrec update runs/quickstart new.parquet --items new_items.parquet": (
            "update.steps=1 update.cases=12 update.margin=1"
        ),
        "genrec update runs/quickstart --rollback": "",
        "genrec profile runs/quickstart --forget 42": "",
    },
    "recipes": {
        "genrec ls data": "",
        "genrec cp quickstart my.yaml": "",
        "genrec run my.yaml llm.name=small --into runs/second": "train.steps=1",
        "genrec run quickstart-llm llm.adapt=dora --into runs/dora": "",
        "genrec run quickstart-llm llm.adapt=prompt train.learning_rate=3e-3"
        " --into runs/prompt": "",
        'genrec search-prompt runs/quickstart-llm --start "Recommend what comes next."'
        " --evaluations 200": "--evaluations 5 --histories 4",
        "genrec run beauty semantic_ids.collaborative=null --until build_ids --into runs/plain": "",
        "genrec run beauty semantic_ids.collaborative=null semantic_ids.quantizer=rq-vae"
        " --until build_ids --into runs/rqvae": "",
        "genrec ids runs/plain runs/rqvae": "",
        "genrec cp ddp-cpu-2.yaml .": "",
    },
    "keys": {
        'genrec keys new "web shop" --keys keys.json --rate 600': "",
        "genrec keys new operator --keys keys.json --admin": "",
        "genrec keys ls --keys keys.json": "",
        'genrec keys rm "web shop" --keys keys.json': "",
    },
    "reward": {
        "genrec reward train tests.csv": "--words 20",
        "genrec reward train tests.csv --into runs/reward": "--words 20",
        "genrec reward train tests.csv --columns text=headline,test=experiment": "--words 20",
        'genrec reward rank runs/reward "Fresh bread at 5" "The bread of breads"': "",
        "genrec reward rank runs/reward --restraint 0.1 < candidates.txt": "",
    },
    "campaign": {
        "genrec run toy-shop --until load_data": "",
        "genrec ads runs/toy-shop --campaign cushions --plan": "",
        "genrec ads runs/toy-shop --campaign cushions": "",
        "genrec cp cushions my.yaml": "",
        "genrec ads again ads/cushions 01db0068": "",
        "genrec ads review ads/cushions --decisions decisions.json": "",
        "genrec ads export ads/cushions --to google --out search.csv"
        " --link 'https://shop.example/p/{item_id}'": "",
        "genrec ads export ads/cushions --to performance-max --out groups.csv"
        " --link 'https://shop.example/p/{item_id}'": "",
        "genrec ads export ads/cushions --to meta --out feed.csv"
        " --link 'https://shop.example/p/{item_id}'"
        " --image-link 'https://shop.example/i/{item_id}.png'": "",
        "genrec ads export ads/cushions --to json --out ads.json --all": "",
    },
    "tasks": {
        "genrec run finetune/task-mix": (
            f"'data.options={SHOP}' llm.name=tiny train.steps=2 train.batch_size=2"
            " evaluate.against=[popular] tasks.task_words=16"
        ),
        "genrec evaluate runs/task-mix --tasks": "",
    },
    **TRAININGS,
}
_MAKE = "sets up an environment; the container's tests and whoever installs run it"
_BENCHMARK = "a benchmark; tests/test_toy_figures.py and others run their parts"
_SERVES = "serves until it is stopped; tests/cli/test_serve.py and tests/serving"
_RAY = "starts Ray; tests/stages/test_batch.py and test_encode_parts.py"
_VLLM = "wants the environment of vLLM; make test-vllm"
_MCP = "speaks over stdio until it is closed; tests/serving/test_mcp.py"
# Programs other than genrec, by how a line begins.
OTHERS = {
    "make ": _MAKE,
    "source ": _MAKE,
    "pip install ": _MAKE,
    "python -m benchmarks": _BENCHMARK,
    "accelerate launch ": "tests/cli/test_launched.py starts it",
}
NOT_RUN = {
    "genrec serve runs/quickstart": _SERVES,
    "genrec serve runs/quickstart --host 0.0.0.0 --keys keys.json": _SERVES,
    "genrec serve runs/quickstart --max-batch 64 --max-wait-ms 40 --queue 512 --timeout 5": _SERVES,
    "genrec serve runs/content-next-item --no-auth": _SERVES,
    "genrec ads review ads/cushions --serve": _SERVES,
    "genrec mcp runs/quickstart": _MCP,
    "genrec mcp runs/quickstart --http --port 8001 --keys keys.json": _MCP,
    "genrec recommend runs/quickstart --all-users --into by-ray --engine ray --workers 4": _RAY,
    "genrec recommend runs/quickstart --all-users --into lists --engine ray --workers 4": _RAY,
    "genrec run quickstart --engine ray --workers 4 --until encode": _RAY,
    "genrec ads runs/quickstart --campaign cushions --into ads --engine ray --workers 4": _RAY,
    "genrec recommend runs/quickstart --user 1912 --backend vllm"
    """ --backend-options '{"max_model_len": 1024}'""": _VLLM,
    "genrec serve runs/quickstart --backend vllm --backend-options options.json": _VLLM,
}


def lines_of(page, text):
    """The commands of a console; with a prompt somewhere, what has none is output."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith("$ ") for line in lines):
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [(page, line.partition(" #")[0].strip()) for line in lines]


def commands_of_pages():
    """Every command of every console, with its page."""
    return [
        found
        for page in PAGES
        for language, text in FENCE.findall((HERE / page).read_text())
        if language == "console"
        for found in lines_of(page, text)
    ]


def lines_of_own_data():
    """Commands of the blocks about one's own files, which ``test_docs.py`` runs."""
    return [
        line
        for page, word in OWN_DATA
        for language, text in FENCE.findall((HERE / page).read_text())
        if language == "console" and word in text
        for _, line in lines_of(page, text)
    ]
