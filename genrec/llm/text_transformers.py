"""Text from a causal LM of transformers in this process.

One loop serves single answers, batches and streams. Each row draws with a generator of its own, so
that an answer does not depend on what is generated beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from genrec.encoders.loading import refuse_missing_folder
from genrec.errors import ConfigError, InputError
from genrec.llm.prepacked import PrepackedWeights
from genrec.llm.presets import PACKAGED
from genrec.llm.text import Message, Sampling, TextModel, before_stop

_BROKEN = "\ufffd"


class TransformersText(TextModel):
    """A chat model of transformers.

    Args:
        name: ``smollm2-135m`` (from a package), a hub name or a local folder.
        dtype: of the weights. In ``float32`` greedy answers of a batch are those given alone; in
            ``bfloat16``, faster where the machine computes in it, near ties may fall otherwise.
        device: by default the GPU if there is one.
        batch_size: answers that are generated together.
        adapter: folder of a peft adapter of this model, such as a recipe's fine-tuning leaves.

    Raises:
        ConfigError: there is no such model, it is no chat model, or the adapter is not its own.
    """

    def __init__(
        self,
        name: str,
        *,
        dtype: str = "float32",
        device: str | None = None,
        batch_size: int = 16,
        adapter: str = "",
    ) -> None:
        self.name, self.batch_size, self.adapter = name, batch_size, adapter
        folder = name
        if name in PACKAGED:
            from genrec.llm.weights import smollm2_folder

            folder = str(smollm2_folder())
        try:
            refuse_missing_folder(folder)
            self.text_tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(
                folder, dtype=getattr(torch, dtype), use_safetensors=True
            )
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"The text model '{name}' could not be loaded: {str(error).splitlines()[0]} "
                f"Offline there are: {', '.join(PACKAGED)}, or a local folder."
            ) from error
        if not self.text_tokenizer.chat_template:
            raise ConfigError(
                f"The text model '{name}' has no chat template, so it cannot take messages. "
                "Choose an instruct or chat version of it."
            )
        if adapter:
            model = _with_adapter(model, adapter)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval()
        self._prepacked = PrepackedWeights(self.model)
        self._special = [
            token.content
            for token in self.text_tokenizer.added_tokens_decoder.values()
            if token.special
        ]
        self._ends = _end_tokens(self.model, self.text_tokenizer)

    def _answer(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[list[str]]:
        prompts = [self._prompt(messages, sampling) for messages in conversations]
        # Like lengths together: less padding, and no other effect.
        rows = sorted(
            ((prompt, number) for number in range(sampling.n) for prompt in range(len(prompts))),
            key=lambda row: len(prompts[row[0]]),
        )
        answers = [[""] * sampling.n for _ in prompts]
        for start in range(0, len(rows), self.batch_size):
            part = rows[start : start + self.batch_size]
            written: list[list[int]] = [[] for _ in part]
            generators = [_generator(sampling.seed, number) for _, number in part]
            for tokens in self._steps([prompts[one] for one, _ in part], generators, sampling):
                for row, token in tokens.items():
                    written[row].append(token)
            for (prompt, number), ids in zip(part, written, strict=True):
                answers[prompt][number] = before_stop(self._text(ids), sampling.stop)
        return answers

    def _choose(self, messages: Sequence[Message], choices: Sequence[str], begun: str) -> int:
        """The choice with the highest log-probability per letter, so that length is no merit."""
        start = self.prompt_text(messages) + self._harmless(begun)
        rows = [self._ids(start + self._harmless(one)) for one in choices]
        scores = self._log_probabilities(rows)
        fair = [score / max(len(one), 1) for score, one in zip(scores, choices, strict=True)]
        return max(range(len(choices)), key=fair.__getitem__)

    def _weigh(self, messages: Sequence[Message], choices: Sequence[str]) -> list[float] | None:
        start = self.prompt_text(messages)
        return self._log_probabilities([self._ids(start + self._harmless(one)) for one in choices])

    @torch.inference_mode()
    def _log_probabilities(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """Log-probability of each row after the tokens that all of them share."""
        shared = 0
        while all(len(row) > shared + 1 and row[shared] == rows[0][shared] for row in rows):
            shared += 1
        start = max(shared, 1)
        ends = [list(row[start:]) for row in rows]
        width = max(len(end) for end in ends)
        tokens = torch.zeros(len(rows), width, dtype=torch.long, device=self.device)
        for place, end in enumerate(ends):
            tokens[place, : len(end)] = torch.tensor(end, device=self.device)
        prefix = torch.tensor([list(rows[0][:start])], device=self.device)
        # What all have in common is computed once.
        with self._prepacked.used():
            out = self.model(input_ids=prefix, use_cache=True, logits_to_keep=1)
            cache = out.past_key_values
            cache.batch_repeat_interleave(len(rows))
            first = out.logits[:, -1:].expand(len(rows), -1, -1)
            after = self.model(input_ids=tokens, past_key_values=cache, use_cache=True).logits
        logits = torch.cat([first, after[:, :-1]], dim=1).float()
        found = logits.log_softmax(-1).gather(2, tokens[..., None])[..., 0]
        return [float(found[place, : len(end)].sum()) for place, end in enumerate(ends)]

    def _stream(self, messages: Sequence[Message], sampling: Sampling) -> Iterator[str]:
        prompt = self._prompt(messages, sampling)
        return self._pieces(prompt, sampling)

    def _pieces(self, prompt: list[int], sampling: Sampling) -> Iterator[str]:
        ids: list[int] = []
        told = 0
        for tokens in self._steps([prompt], [_generator(sampling.seed, 0)], sampling):
            ids += tokens.values()
            text = before_stop(self._text(ids), sampling.stop)
            # What may yet become a letter or a stop text is kept back.
            sure = len(text.rstrip(_BROKEN))
            sure = min(sure, len(text) - _begun(text, sampling.stop))
            if sure > told:
                yield text[told:sure]
                told = sure
        if rest := before_stop(self._text(ids), sampling.stop)[told:]:
            yield rest

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The messages as the model reads them, up to where its answer begins.

        Raises:
            InputError: the model's chat template refuses them.
        """
        turns = [{"role": one.role, "content": self._harmless(one.content)} for one in messages]
        try:
            return str(
                self.text_tokenizer.apply_chat_template(
                    turns, add_generation_prompt=True, tokenize=False
                )
            )
        except Exception as error:
            raise InputError(
                f"The chat template of '{self.name}' refuses these messages: {error}. Roles here: "
                f"{', '.join(one.role for one in messages)}."
            ) from error

    def answered(self, messages: Sequence[Message], answer: str) -> tuple[list[int], list[int]]:
        """Token ids of the messages and of an answer to them with its end, as in generation."""
        start = self._ids(self.prompt_text(messages))
        end = self.text_tokenizer.eos_token_id
        return start, [*self._ids(self._harmless(answer)), end]

    def _ids(self, text: str) -> list[int]:
        return list(self.text_tokenizer(text, add_special_tokens=False)["input_ids"])

    def _prompt(self, messages: Sequence[Message], sampling: Sampling) -> list[int]:
        ids = self._ids(self.prompt_text(messages))
        most = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if most is not None and len(ids) + sampling.max_tokens > most:
            raise InputError(
                f"The messages take {len(ids):,} tokens and max_tokens is {sampling.max_tokens:,}; "
                f"'{self.name}' takes {most:,} together. Shorten them, or ask for fewer."
            )
        return ids

    def _harmless(self, text: str) -> str:
        """Text in which no token of the template's own can be spelt."""
        for token in self._special:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def _text(self, ids: list[int]) -> str:
        return str(
            self.text_tokenizer.decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    @torch.inference_mode()
    def _next(self, tokens: Tensor, mask: Tensor, places: Tensor, cache: Any) -> tuple[Tensor, Any]:
        with self._prepacked.used():
            out = self.model(
                input_ids=tokens,
                attention_mask=mask,
                position_ids=places,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return out.logits[:, -1].float(), out.past_key_values

    def _steps(
        self,
        prompts: Sequence[Sequence[int]],
        generators: Sequence[torch.Generator],
        sampling: Sampling,
    ) -> Iterator[dict[int, int]]:
        """The next token of each row that has not ended, step by step."""
        width = max(len(prompt) for prompt in prompts)
        tokens = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.zeros_like(tokens)
        for row, prompt in enumerate(prompts):
            tokens[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        tokens, mask = tokens.to(self.device), mask.to(self.device)
        places = (mask.cumsum(1) - 1).clamp(min=0)
        open_rows = {row: list[int]() for row in range(len(prompts))}
        cache = None
        for _ in range(sampling.max_tokens):
            logits, cache = self._next(tokens, mask, places, cache)
            chosen = _drawn(logits, generators, sampling.temperature)
            step = {
                row: int(chosen[row]) for row in open_rows if int(chosen[row]) not in self._ends
            }
            if step:
                yield step
            for row in list(open_rows):
                if row not in step:
                    del open_rows[row]
                    continue
                open_rows[row].append(step[row])
                if self._stopped(open_rows[row], sampling.stop):
                    del open_rows[row]
            if not open_rows:
                return
            tokens, places = chosen[:, None], places[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)

    def _stopped(self, ids: list[int], stop: Sequence[str]) -> bool:
        if not stop:
            return False
        # A letter is at most four bytes, and a token at least one.
        tail = self._text(ids[-4 * max(map(len, stop)) - 4 :])
        return any(one in tail for one in stop)


def _with_adapter(model: Any, folder: str) -> Any:
    from peft import PeftModel

    if not (Path(folder) / "adapter_config.json").is_file():
        raise ConfigError(
            f"There is no adapter in '{folder}': it has no adapter_config.json. Name the folder "
            "that a fine-tuning recipe left, such as runs/copywriter/copywriter."
        )
    if not (Path(folder) / "adapter_model.safetensors").is_file():
        raise ConfigError(
            f"The adapter '{folder}' has no adapter_model.safetensors. Other files of weights may "
            "hold code of their own and are not read; save the adapter anew with peft."
        )
    try:
        return PeftModel.from_pretrained(model, folder).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as error:
        # The first line of PyTorch's says only that there are errors, the second the first of them.
        why = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise ConfigError(
            f"The adapter '{folder}' does not fit this model: {why}{_trained_on(folder)}"
        ) from error


def _trained_on(folder: str) -> str:
    """What an adapter says it was trained on, as the end of a message; empty if it does not."""
    try:
        said = json.loads((Path(folder) / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    base = said.get("base_model_name_or_path") if isinstance(said, dict) else None
    return f" It was trained on '{base}'; name that text model." if base else ""


def _drawn(logits: Tensor, generators: Sequence[torch.Generator], temperature: float) -> Tensor:
    """One token per row. The likeliest after Gumbel noise is a draw from the softmax."""
    if temperature > 0:
        uniform = torch.stack([torch.rand(logits.shape[1], generator=one) for one in generators])
        noise = -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))
        logits = logits / temperature + noise.to(logits.device)
    return logits.argmax(1)


def _generator(seed: int, number: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


def _end_tokens(model: Any, text_tokenizer: Any) -> set[int]:
    ends = model.generation_config.eos_token_id
    ends = [ends] if isinstance(ends, int) else list(ends or [])
    return {*ends, text_tokenizer.eos_token_id} - {None}


def _begun(text: str, stop: Sequence[str]) -> int:
    """How many last letters of a text may be the beginning of a stop text."""
    longest = max(map(len, stop), default=1)
    for length in range(min(longest - 1, len(text)), 0, -1):
        if any(one.startswith(text[-length:]) for one in stop):
            return length
    return 0
