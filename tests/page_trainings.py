"""Commands of the pages that train a model: which are run, with what makes each small.

Written as in ``page_commands.py``; ``test_docs_trainings.py`` runs them.
"""


def _of(section, *options):
    """These options of one section."""
    return " ".join(f"{section}.{option}" for option in options)


# The toy shop has no fewer; everywhere as many, so that they are drawn once.
_ITEMS = "data.options.items=40"
_SHOP = f"{_ITEMS} data.options.shoppers=60"
_STEPS = "train.steps=2 train.batch_size=4"
_UNCHECKED = f"{_STEPS} train.validate_every=0 train.patience=0 train.checkpoint_every=0"
_VISION = "'tower={steps: 3, side: 32, width: 16, batch_size: 8}'"
_FUSED = (
    f"{_SHOP} {_STEPS} evaluate.against=[popular] "
    f"{_of('pretrain.content', _VISION, 'fusion.width=16')}"
)
_TOWER = (
    f"{_STEPS} train.warmup_steps=1 "
    f"{_of('pretrain.image_text', 'tower=tiny', 'side=16', 'held_out=8')}"
)
_DENOISER = f"{_STEPS} " + _of(
    "pretrain.product_diffusion",
    "shape=tiny",
    "resolution=32",
    "vocabulary=600",
    "held_out=2",
    "steps=2",
    "judged=2",
    "'vae={steps: 2, batch_size: 4}'",
)
_IMAGE_LORA = f"{_ITEMS} " + _of(
    "finetune.image_lora",
    "max_train_steps=2",
    "train_batch_size=2",
    "resolution=32",
    "rank=2",
    "validation_images=1",
)
_BANNER = _of("picture", "layouts=[leaderboard]", "attempts=1", "steps=1")
_FILM = _of("film", "seconds=6", "format=square", "side=64", "fps=2")
_FIT = _of("preference.fit", "steps=2", "batch_size=4", "validate_every=2", "checkpoint_every=0")
_PREFERENCE = (
    f"{_SHOP} {_STEPS} train.validate_every=2 {_FIT}"
    " evaluate.validation_users=20 evaluate.against=[popular]"
)
_WRITER = ("llm=chat", "lora_rank=2", "held_out=2", "answer_tokens=6")
_FILMS = _of("data.options", "edition=ml-1m", "folder=ml-1m")
_TUNED = f"{_STEPS} train.validate_every=1 semantic_ids.codebook_size=8 evaluate.against=[popular]"

TRAININGS = {
    "content": {
        "genrec run pretrain/content-next-item": _FUSED,
        "genrec ablate runs/content-next-item": "",
        "genrec ablate runs/content-next-item --retrain": "",
        "genrec recommend runs/content-next-item --user shopper0001 -n 5": "",
        "genrec run toy-shop encode.vectors_from=runs/content-next-item": f"{_SHOP} {_STEPS}",
        "genrec run pretrain/content-next-item pretrain.content.fusion.kind=hierarchical"
        " encode.fields=[title,category,material]": f"{_FUSED} --into runs/hierarchical",
    },
    "photos": {
        "genrec run pretrain/product-photos": _TOWER,
        'genrec find runs/product-photos "red dress"': "",
        "genrec find runs/product-photos --image photo.jpg -n 5": "",
        'genrec find runs/product-photos "in blue" --image photo.jpg'
        """ --where '{"gender": "Women"}'""": "",
        "genrec evaluate runs/product-photos data.options.folder=PHOTOS": "",
        "genrec evaluate runs/product-photos data.options.folder=PHOTOS"
        " pretrain.image_text.pool=500 --json": "",
        "genrec evaluate runs/product-photos data.source=tables data.options.items=items.csv"
        " data.options.media=PHOTOS": "",
        "genrec run my.yaml encode.image.model=runs/product-photos/tower": (
            "'data.options={items: 40, shoppers: 40, pictures: true}'"
        ),
        "genrec run pretrain/projector": (
            f"{_STEPS} {_of('pretrain.projector', 'llm=llm', 'held_out=8', 'candidates=3')}"
        ),
        "genrec run pretrain/product-photos data.options.folder=PHOTOS": _TOWER,
        "genrec run pretrain/product-photos data.source=tables data.options.items=items.csv"
        " data.options.media=PHOTOS": _TOWER,
        "genrec run pretrain/product-photos data.source=tables data.options.items=items.csv"
        " data.options.media=photos": _TOWER,
    },
    "diffusion": {
        "genrec run pretrain/product-diffusion": (
            f"{_DENOISER} {_SHOP} "
            + _of("pretrain.product_diffusion", "best_of=2", "scenes=2", "held_out_users=2")
        ),
        "genrec run pretrain/product-diffusion-photos": _DENOISER,
        "genrec run finetune/image-lora": f"{_IMAGE_LORA} finetune.image_lora.num_class_images=2",
        "genrec run finetune/image-lora-segment": (
            f"{_IMAGE_LORA} data.options.shoppers=300 segments.floor=2"
        ),
        "genrec ads runs/image-lora-segment --campaign cushions --into ads/kitchen --image"
        " who.users=[shopper0101,shopper0151]"
        " picture.segment_adapters=[runs/image-lora-segment/image_lora] budget.pictures=6": (
            f"{_BANNER} budget.pictures=2"
        ),
    },
    "media": {
        "genrec run toy-shop --until load_data": _SHOP,
        "genrec ads runs/toy-shop --campaign cushions --image"
        " --certificate chain.pem --certificate-key key.pem": f"{_BANNER} budget.pictures=1",
        "genrec ads runs/toy-shop --campaign cushions --image --video"
        " budget.pictures=12 budget.films=4": (
            f"{_BANNER} {_FILM} budget.pictures=2 budget.films=1"
        ),
    },
    "tune": {
        "genrec run movielens data.options.edition=ml-1m data.options.folder=ml-1m": _TUNED,
        "genrec tune movielens --trials 30 --into runs/movielens-tune": (
            f"{_FILMS} {_TUNED} --trials 2"
        ),
        "genrec tune movielens --trials 30 --into runs/movielens-tune --minutes 60": (
            f"{_FILMS} {_TUNED} --trials 3"
        ),
        "genrec run runs/movielens-tune/best.yaml": "",
    },
    "downloads": {
        "genrec run mind data.options.folder=DOWNLOADS": (
            f"{_UNCHECKED} semantic_ids.codebook_size=8 evaluate.against=[popular]"
        ),
        "genrec run hm data.options.folder=hm --until load_data": "data.options.since=2010-01-01",
        "genrec run beauty-codes": f"{_UNCHECKED} semantic_ids.codebook_size=16",
        "genrec run toys_from_beauty": _UNCHECKED,
        "genrec run finetune/beauty-grpo --into runs/beauty": (
            f"{_STEPS} train.validate_every=2 {_FIT} preference.grpo.group=4 "
            + _of("semantic_ids", "codebook_size=16", "collaborative.signal=pmi")
        ),
    },
    "preference": {
        "genrec run finetune/preference-dpo": _PREFERENCE,
        "genrec run finetune/preference-grpo": _PREFERENCE,
    },
    "copy": {
        "genrec reward train tests.csv": "--words 20",
        "genrec run finetune/copy-clicks": (
            f"{_SHOP} train.steps=1 train.batch_size=2 "
            + _of("finetune.copy_clicks", *_WRITER, "group=2")
        ),
        "genrec run finetune/copywriter": (
            f"{_STEPS} {_of('finetune.copywriter', *_WRITER, 'row_tokens=500')}"
        ),
        "genrec write runs/quickstart --item 925626 --mode free"
        " --adapter runs/copywriter/copywriter": "--text chat",
        "genrec rerank runs/quickstart --model smollm2-135m --users 100": (
            "--model chat --users 6 --candidates 3"
        ),
    },
}
