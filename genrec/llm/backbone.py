"""Any causal LM of transformers with semantic-ID tokens added: load, adapt, run, save.

Knows tokens and hidden states; knows nothing of histories or training.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedTokenizerBase,
)

from genrec.data.catalog import Catalog
from genrec.errors import ArtefactError, ConfigError
from genrec.llm import adapt
from genrec.llm.adapt import base
from genrec.llm.item_table import FIRST_ITEM_ID, ItemTable
from genrec.llm.last_alone import heeds_last_alone, last_alone
from genrec.llm.loading import start_rows_from_text, start_rows_from_words
from genrec.llm.mixture import NO_DOMAIN, Mixture
from genrec.llm.options import BackboneConfig, ItemTableConfig
from genrec.llm.pictures import FIRST_ID, NO_PICTURE, PictureTokens
from genrec.llm.prepacked import PrepackedWeights
from genrec.llm.presets import SCRATCH
from genrec.llm.side_features import SHIFT, SideFeatures

__all__ = ["BASKET", "Backbone", "base"]

BASKET = "<basket>"
# Of an export: our folder beside the model's files, what it says and the head's rows.
OURS, ABOUT, ROWS = "genrec", "backbone.json", "head_rows.safetensors"
GATE = "gate.safetensors"


class Backbone(nn.Module):
    """A causal LM whose vocabulary has semantic-ID tokens.

    Attributes:
        model: the transformers model, wrapped by peft when it has an adapter.
        text_tokenizer: the LLM's own tokenizer with the new tokens.
        token_ids: vocabulary row of each semantic-ID token, level by level, int64.
        codebook_sizes: number of tokens at each level.
        basket_id: vocabulary row of the token that opens a basket.
        soft: names of the tokens of each soft prefix, by the group whose prompts they open; the
            prefix of everybody has the name "".
        mixture: how much of each domain's adapter acts; ``None`` if there are none.
        pictures: what the LLM sees of items; ``None`` before ``look`` and where it sees nothing.
        items: vectors of whole items, of a hybrid; else ``None``.
        features: what is read of events beside their items; ``None`` without.
    """

    token_ids: Tensor

    def __init__(
        self,
        model: Any,
        text_tokenizer: PreTrainedTokenizerBase,
        config: BackboneConfig,
        token_names: Sequence[str],
        codebook_sizes: Sequence[int],
        *,
        soft: Mapping[str, Sequence[str]] | None = None,
        domains: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self.text_tokenizer = text_tokenizer
        self.settings = config
        self.codebook_sizes = tuple(codebook_sizes)
        self.token_names = list(token_names)
        self.soft = {group: list(names) for group, names in (soft or {}).items()}
        self.mixture: Mixture | None = None
        if domains:
            self.mixture = Mixture(model, domains, learned=config.gate == "learned")
        self.pictures: PictureTokens | None = None
        self.items: ItemTable | None = None
        self.features: SideFeatures | None = None
        # A mixture weighs each token by its domain, so none may be cut away before it.
        self._heeds = self.mixture is None and heeds_last_alone(base(model).get_decoder())
        self._prepacked = PrepackedWeights(base(model).get_decoder())
        rows = text_tokenizer.convert_tokens_to_ids([*token_names, BASKET])
        self.basket_id = int(rows[-1])
        self.register_buffer("token_ids", torch.tensor(rows[:-1]), persistent=False)
        # An instruct model's sampling defaults would remove legal tokens without a word.
        base(model).generation_config = GenerationConfig(
            bos_token_id=text_tokenizer.bos_token_id,
            eos_token_id=text_tokenizer.eos_token_id,
            pad_token_id=text_tokenizer.pad_token_id,
        )

    @staticmethod
    def create(
        config: BackboneConfig,
        token_names: Sequence[str],
        codebook_sizes: Sequence[int],
        *,
        words: Sequence[Sequence[str]] | None = None,
        soft: Mapping[str, Sequence[str]] | None = None,
        soft_text: str = "",
        domains: Sequence[str] = (),
    ) -> Backbone:
        """Loads the LLM, adds the tokens and makes trainable what ``config.adapt`` says.

        Args:
            words: for each new token, texts that it stands for; a pretrained LLM's new rows start
                at the mean embedding of these words, which carries meaning from the first step.
            soft: see the class.
            soft_text: what each soft prefix starts from.
            domains: names of the adapters of a mixture.

        Raises:
            ConfigError: the LLM cannot be found.
            ArtefactError: the run to start from has no whole recommender.
        """
        extra = _extra_tokens(config, soft or {})
        model, text_tokenizer = adapt.starting_model(config, [*token_names, *extra])
        if words is not None and config.name not in SCRATCH and not config.start_from:
            start_rows_from_words(model, text_tokenizer, token_names, words)
        start_rows_from_text(model, text_tokenizer, list((soft or {}).values()), soft_text)
        rows = text_tokenizer.convert_tokens_to_ids([*token_names, *extra])
        model = adapt.adapted(model, config, rows, domains)
        return Backbone(
            model, text_tokenizer, config, token_names, codebook_sizes, soft=soft, domains=domains
        )

    @contextmanager
    def in_domains(self, domains: Tensor) -> Iterator[None]:
        """Weighs the adapters of a mixture until the block ends; without one, it does nothing.

        Args:
            domains: number of each token's domain, in the order of ``domains``, or ``NO_DOMAIN``;
                broadcasts to (rows, tokens).
        """
        if self.mixture is None:
            yield
        else:
            with self.mixture.applied(domains.to(self.device)):
                yield

    def hidden_states(self, *, alone: bool = False, **inputs: Any) -> Any:
        """The decoder's output for the head: ``last_hidden_state``, shape (rows, tokens, width).

        Args:
            alone: only the state after each row's last token is read; those before it are of no
                use then, which spares most of the last layer.
            inputs: as of the transformers model (``input_ids``, a 4-D ``attention_mask``, …).
        """
        parts = (self.pictures, self.items, self.features)
        if any(part is not None for part in parts) and "input_ids" in inputs:
            inputs["inputs_embeds"] = self.embed(inputs.pop("input_ids"))
        with last_alone(alone=alone and self._heeds), self._prepacked.used():
            return base(self.model).get_decoder()(**inputs)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Input embeddings, shape (rows, tokens, width), of pictures' and items' ids too.

        What stands in the upper bits of an id is read as side features, and added.
        """
        if self.features is not None:
            numbers = input_ids >> SHIFT
            plain = self._embed(input_ids & ((1 << SHIFT) - 1))
            known = (numbers > 0)[..., None]
            return plain + torch.where(known, self.features(numbers), 0.0).to(plain.dtype)
        return self._embed(input_ids)

    def _embed(self, input_ids: Tensor) -> Tensor:
        table = base(self.model).get_input_embeddings()
        if self.pictures is None and self.items is None:
            return table(input_ids)
        seen = input_ids >= FIRST_ID
        embeddings = table(input_ids.masked_fill(seen, 0))
        whole = input_ids >= FIRST_ITEM_ID
        if self.items is not None and whole.any():
            own = self.items.vectors(input_ids[whole] - FIRST_ITEM_ID).to(embeddings.dtype)
            embeddings = embeddings.index_put((whole,), own)
        pictured = seen & ~whole
        if self.pictures is not None and pictured.any():
            own = self.pictures.embed(base(self.model), input_ids[pictured], embeddings.dtype)
            embeddings = embeddings.index_put((pictured,), own)
        return embeddings

    def look(self, catalog: Catalog) -> None:
        """Looks at the pictures of a catalogue, as ``settings.pictures`` says.

        Raises:
            ConfigError: the LLM does not see.
            InputError: the catalogue has no pictures.
        """
        if self.settings.pictures:
            self.pictures = PictureTokens.of(
                base(self.model), self.settings.name, catalog, self.settings.pictures
            ).to(self.device)

    def picture_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of each item's picture, shape (items, pictures), and of one that is absent."""
        assert self.pictures is not None
        absent = int(self.text_tokenizer.convert_tokens_to_ids(NO_PICTURE))
        return self.pictures.ids(absent), np.full(self.pictures.each, absent, np.int64)

    def head_rows(self) -> Tensor:
        """The head's rows of all semantic-ID tokens, shape (tokens, width), with gradients."""
        head = base(self.model).get_output_embeddings()
        trained = adapt.trained_rows(head)
        if trained is not None:
            # The adapter keeps exactly the new rows, in our order: semantic IDs come first.
            return trained[: len(self.token_names)]
        return head.weight[self.token_ids]

    def level_logits(self, hidden: Tensor, level: int, rows: Tensor | None = None) -> Tensor:
        """Logits over the tokens of one level, shape (…, codebook_sizes[level]), float32.

        Args:
            rows: ``head_rows()``, when the caller has it already.
        """
        rows = self.head_rows() if rows is None else rows
        start = sum(self.codebook_sizes[:level])
        rows = rows[start : start + self.codebook_sizes[level]]
        return self._scaled((hidden @ rows.to(hidden.dtype).T).float())

    def text_logits(self, hidden: Tensor) -> Tensor:
        """Logits over the whole vocabulary, shape (…, vocabulary rows), float32."""
        return self._scaled(base(self.model).get_output_embeddings()(hidden).float())

    def _scaled(self, logits: Tensor) -> Tensor:
        config = base(self.model).config.get_text_config()
        scale = getattr(config, "logit_scale", None)
        logits = logits if scale is None else logits * scale
        cap = getattr(config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def learn_new_rows_alone(self) -> None:
        """Drops the gradients of what the LLM knew before; new tokens and parts keep theirs."""
        names = _extra_tokens(self.settings, self.soft)
        extra = self.text_tokenizer.convert_tokens_to_ids(names)
        adapt.keep_rows_alone(self.model, [*self.token_ids.tolist(), *extra])

    @property
    def new_rows(self) -> list[nn.Parameter]:
        """Rows of new tokens that train apart from their tables; none if all trains."""
        return adapt.row_parameters(self.model)

    @property
    def sliding_window(self) -> int | None:
        """Tokens that some layer looks back at most; ``None`` when all see everything."""
        config = base(self.model).config.get_text_config()
        kinds = getattr(config, "layer_types", None)
        window: int | None = getattr(config, "sliding_window", None)
        return window if kinds is None or "sliding_attention" in kinds else None

    @property
    def mixes_windows(self) -> bool:
        """Whether the model takes one mask for each kind of layer."""
        return hasattr(base(self.model).config.get_text_config(), "layer_types")

    @property
    def layers(self) -> int:
        """Of the decoder."""
        return int(base(self.model).config.get_text_config().num_hidden_layers)

    @property
    def width(self) -> int:
        """Of hidden states and input embeddings."""
        return int(base(self.model).get_input_embeddings().weight.shape[1])

    @property
    def extra_tokens(self) -> list[str]:
        """New tokens beside those of semantic IDs, in the order of their rows."""
        return _extra_tokens(self.settings, self.soft)

    @property
    def trained_parameters(self) -> int:
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    @property
    def device(self) -> torch.device:
        return self.token_ids.device

    def write(self, folder: Path) -> None:
        """Writes a peft adapter folder (or the whole model), the tokenizer and the config."""
        adapt.write_model(self.model, folder, self.settings)
        if self.mixture is not None and self.mixture.gate is not None:
            save_file({"gate": self.mixture.gate.detach().cpu()}, folder / GATE)
        if self.pictures is not None:
            self.pictures.write(folder)
        if self.items is not None:
            self.items.write(folder)
        if self.features is not None:
            self.features.write(folder)
        self.text_tokenizer.save_pretrained(folder / adapt.TOKENIZER)
        self._describe(folder)

    def _describe(self, folder: Path) -> None:
        about = {
            "config": asdict(self.settings),
            "token_names": self.token_names,
            "codebook_sizes": self.codebook_sizes,
            "extra_tokens": self.extra_tokens,
            "soft": self.soft,
            "domains": [] if self.mixture is None else self.mixture.names,
            "items": None if self.items is None else asdict(self.items.settings),
            "features": [] if self.features is None else self.features.names,
        }
        (folder / ABOUT).write_text(json.dumps(about))

    @staticmethod
    def read(folder: Path) -> Backbone:
        """Reads what ``write`` wrote.

        Raises:
            ArtefactError: the folder holds no backbone.
            ConfigError: the LLM under the adapter cannot be found.
        """
        config, names, about = adapt.described(folder)
        model, text_tokenizer = adapt.read_model(folder, config)
        backbone = Backbone(
            model,
            text_tokenizer,
            config,
            names,
            about["codebook_sizes"],
            soft=about["soft"],
            domains=about["domains"],
        )
        if backbone.mixture is not None and backbone.mixture.gate is not None:
            with torch.no_grad():
                backbone.mixture.gate.copy_(load_file(folder / GATE)["gate"])
        if config.pictures:
            backbone.pictures = PictureTokens.read(folder)
        if about.get("items"):
            backbone.items = ItemTable.read(folder, ItemTableConfig(**about["items"]))
        if about.get("features"):
            backbone.features = SideFeatures.read(folder, about["features"])
        return backbone.eval()

    def export_merged(self, folder: Path, *, domain: str | None = None) -> None:
        """Writes one plain transformers model with the adapter merged in, and its tokenizer.

        The folder ``genrec`` in it says what the semantic-ID tokens are, and has the head's rows of
        them; other programs pass it by.

        Args:
            domain: of a mixture: whose adapters are merged; "" takes what all domains share.

        Raises:
            ConfigError: a mixture without such a domain, or an LLM that sees pictures.
        """
        for part, what in (
            (self.items, "reads items as vectors that lie"),
            (self.pictures, "sees pictures, whose tokens lie"),
            (self.features, "reads times, prices or kinds of events, which lie"),
        ):
            if part is not None:
                raise ConfigError(
                    f"This LLM {what} outside its vocabulary; other programs cannot be handed "
                    "them. Serve it with --backend transformers."
                )
        scales = None
        if self.mixture is not None:
            if domain not in ("", *self.mixture.names):
                raise ConfigError(
                    f"This LLM has an adapter for each of {', '.join(self.mixture.names)}, and one "
                    f"export has one of them: give its domain, or '' for none (it is {domain!r})."
                )
            place = self.mixture.names.index(domain) if domain else NO_DOMAIN
            scales = self.mixture.scales(place)
        model = adapt.merged(adapt.whole(self.model, self.settings, self.write), scales)
        model.save_pretrained(folder)
        self.text_tokenizer.save_pretrained(folder)
        (folder / OURS).mkdir(exist_ok=True)
        self._describe(folder / OURS)
        rows = model.get_output_embeddings().weight[self.token_ids].detach().contiguous()
        save_file({"head_rows": rows.cpu()}, folder / OURS / ROWS)

    @staticmethod
    def outline(folder: Path) -> tuple[Backbone, Tensor]:
        """A backbone without weights, for an engine that has them, and its ``head_rows``.

        It knows tokens and options and turns hidden states into logits; it cannot run.

        Args:
            folder: what ``export_merged`` wrote.

        Raises:
            ArtefactError: the folder is not such an export.
        """
        config, names, about = adapt.described(folder / OURS)
        try:
            rows = load_file(folder / OURS / ROWS)["head_rows"]
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
            text_tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ArtefactError(f"{folder} is no whole export ({error}). Export again.") from error
        backbone = Backbone(
            model, text_tokenizer, config, names, about["codebook_sizes"], soft=about["soft"]
        )
        return backbone.eval(), rows


def _extra_tokens(config: BackboneConfig, soft: Mapping[str, Sequence[str]]) -> list[str]:
    """New tokens beside those of semantic IDs, in the order of their rows."""
    prefixes = [name for names in soft.values() for name in names]
    return [BASKET, *prefixes, *([NO_PICTURE] if config.pictures else [])]
