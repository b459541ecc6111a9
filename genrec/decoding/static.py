"""The same beam search over a cache of fixed size, so that a GPU replays captured passes.

On a GPU most of a small pass is the launch of its kernels. Here prompts are padded to few lengths,
users to few counts and beams to their full number, so that a search is one pass over prompts and
one pass for each further level, always over the same memory: captured once as CUDA graphs, then
replayed. Elsewhere the passes are computed as they stand, which is what tests hold to
``beam_search``; there it only costs time. **No GPU was at hand: the capture itself has not run.**
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import StaticLayer

from genrec.decoding.batches import Allowed, Progress, search_in_batches
from genrec.decoding.beam import QUERIES, Prefilled, left_padded, taken_down, tokens_at
from genrec.decoding.folded import FoldedTrie
from genrec.decoding.frontier import Beams, Frontier
from genrec.decoding.options import DecodeConfig
from genrec.decoding.trie import Trie
from genrec.errors import ConfigError
from genrec.llm.backbone import Backbone

# Prompts are padded to a multiple of it.
STEP = 64
# Columns of a mask come in multiples of it.
ALIGNED = 8
# Runs before a capture, as torch asks for.
WARM_UPS = 3


class StaticSearch:
    """A ``Search`` of a backbone that no longer changes.

    Args:
        kept: shapes (users, prompt, beams) whose passes are kept; the one used longest ago goes.
        most_users: searched together in one pass.

    Raises:
        ConfigError: the LLM cannot be searched so: it has a mixture of adapters, or layers that
            look back through a window.
    """

    def __init__(self, backbone: Backbone, *, kept: int = 8, most_users: int = 8) -> None:
        reasons = {
            "has a mixture of adapters": backbone.mixture is not None,
            "looks back through a window": backbone.sliding_window is not None,
        }
        if problems := [reason for reason, holds in reasons.items() if holds]:
            raise ConfigError(
                f"This LLM {' and '.join(problems)}, so passes of fixed size cannot search it. "
                "Leave 'static' out."
            )
        self.backbone, self.kept, self.most_users = backbone, kept, most_users
        self._passes: OrderedDict[tuple[int, ...], _Passes] = OrderedDict()

    @torch.inference_mode()
    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        trie: Trie | FoldedTrie,
        *,
        beams: int,
        allowed: Allowed = None,
        config: DecodeConfig | None = None,
        progress: Progress | None = None,
    ) -> Beams:
        """The most probable items after each prompt, as ``beam_search`` finds them."""
        folded = trie if isinstance(trie, FoldedTrie) else FoldedTrie(trie)
        return search_in_batches(
            self._search,
            prompts,
            folded.to(self.backbone.device),
            beams=beams,
            allowed=allowed,
            config=config,
            batch_size=max(1, min(self.most_users, QUERIES // beams)),
            queries=QUERIES,
            progress=progress,
        )

    def _search(self, prompts: Sequence[Sequence[int]], frontier: Frontier) -> Beams:
        backbone, levels = self.backbone, frontier.trie.levels
        width = max(frontier.beams, 1)
        if width > QUERIES:
            return taken_down(backbone, Prefilled(backbone, prompts), frontier)
        passes = self._ready(prompts, width, levels)
        return taken_down(backbone, StaticTree(passes, prompts), frontier)

    def _ready(self, prompts: Sequence[Sequence[int]], width: int, levels: int) -> _Passes:
        users = 1 << (len(prompts) - 1).bit_length()
        length = _multiple(max(map(len, prompts)), STEP)
        shape = (users, length, width, levels)
        if shape not in self._passes:
            while len(self._passes) >= self.kept:
                self._passes.popitem(last=False)
            self._passes[shape] = _Passes(self.backbone, *shape)
        self._passes.move_to_end(shape)
        return self._passes[shape]


class StaticTree:
    """Prompts and the beams after them, as ``Prefilled``, in passes of fixed size.

    Attributes:
        hidden: the state after each live beam, shape (users, width, hidden size).
    """

    def __init__(self, passes: _Passes, prompts: Sequence[Sequence[int]]) -> None:
        self.passes, self.users, device = passes, len(prompts), passes.device
        # Rows beyond the users are the last one's again, and not looked at.
        rows = [*prompts, *[prompts[-1]] * (passes.users - len(prompts))]
        ids, real, positions = left_padded(rows, device, least=passes.length)
        self.lengths, self.depth = positions[:, -1:] + 1, 0
        before = torch.ones(passes.length, passes.length, dtype=torch.bool, device=device).tril()
        self.real = torch.nn.functional.pad(real, (0, passes.columns - passes.length))
        seen = torch.nn.functional.pad(
            before & real[:, None, :], (0, passes.columns - passes.length)
        )
        self.hidden = passes.prefill(ids, positions, seen)[: self.users, -1:]
        shape = (self.users, 1, passes.columns - passes.length)
        self.visible = torch.zeros(shape, dtype=torch.bool, device=device)

    def follow(self, frontier: Frontier) -> None:
        """See ``Tree``; passes of one size have no room for what may come later."""
        tokens = tokens_at(self.passes.backbone, frontier.level - 1, frontier.codes)
        self.grow(tokens, frontier.parents, last=frontier.level + 1 == frontier.trie.levels)

    def grow(self, tokens: Tensor, parents: Tensor, *, last: bool) -> None:
        """Adds one token to each beam; arguments as of ``Prefilled.grow``."""
        passes, width = self.passes, tokens.shape[1]
        columns = self.visible.shape[2]
        visible = self.visible.gather(1, parents[..., None].expand(-1, -1, columns))
        start = self.depth * passes.width
        own = torch.eye(width, dtype=torch.bool, device=tokens.device)
        visible[:, :, start : start + width] |= own
        beyond = (0, 0, 0, passes.width - width)
        users = torch.arange(passes.users, device=tokens.device).clamp(max=self.users - 1)
        seen = self.real[:, None, :].expand(-1, passes.width, -1).clone()
        seen[:, :, passes.length :] |= torch.nn.functional.pad(visible, beyond)[users]
        hidden = passes.step(
            torch.nn.functional.pad(tokens, beyond[2:])[users],
            (self.lengths + self.depth).expand(-1, passes.width),
            seen,
        )
        self.hidden = hidden[: self.users, :width]
        if not last:
            self.visible = visible
            self.depth += 1


class _Passes:
    """Two passes over one cache: prompts, and one level of beams."""

    def __init__(
        self, backbone: Backbone, users: int, length: int, width: int, levels: int
    ) -> None:
        self.users, self.length, self.width = users, length, width
        # Kernels of attention would pad masks of other widths, at each layer.
        self.columns = _multiple(length + width * (levels - 1), ALIGNED)
        self.backbone, self.device = backbone, backbone.device
        layers = range(backbone.layers)
        cache = Cache(layers=[StaticLayer(max_cache_len=self.columns) for _ in layers])
        self.prefill = _Pass(backbone, cache, users, length, self.columns, first=True)
        self.step = _Pass(backbone, cache, users, width, self.columns, first=False)


class _Pass:
    """One forward pass over inputs that always lie in the same place."""

    def __init__(
        self,
        backbone: Backbone,
        cache: Cache,
        users: int,
        tokens: int,
        columns: int,
        *,
        first: bool,
    ) -> None:
        device, self.backbone, self.cache, self.first = backbone.device, backbone, cache, first
        # Embedded outside of the pass, since pictures and features are looked up by what there is.
        dtype = backbone.embed(backbone.token_ids[:1]).dtype
        shape = (users, tokens, backbone.width)
        self.embeddings = torch.zeros(shape, dtype=dtype, device=device)
        self.positions = torch.zeros(users, tokens, dtype=torch.long, device=device)
        self.mask = torch.zeros(users, 1, tokens, columns, dtype=dtype, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.hidden = self.mask

    def __call__(self, ids: Tensor, positions: Tensor, seen: Tensor) -> Tensor:
        """Hidden states, shape (users, tokens, hidden size); the next call writes over them.

        Args:
            seen: which cache columns each token sees, shape (users, tokens, columns), bool.
        """
        self.embeddings.copy_(self.backbone.embed(ids))
        self.positions.copy_(positions)
        self.mask.zero_()
        self.mask.masked_fill_(~seen[:, None], torch.finfo(self.mask.dtype).min)
        if self.mask.device.type != "cuda":
            return self._forward()
        if self.graph is None:
            self._capture()
        assert self.graph is not None
        self.graph.replay()
        return self.hidden

    def _forward(self) -> Tensor:
        if self.first:
            for layer in self.cache.layers:
                layer.cumulative_length.zero_()
        output = self.backbone.hidden_states(
            alone=self.first,
            inputs_embeds=self.embeddings,
            attention_mask=self.mask,
            position_ids=self.positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def _capture(self) -> None:
        """Records the pass; what the warm-ups wrote behind the prompts is written over."""
        before = [layer.cumulative_length.clone() for layer in self.cache.layers]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self._rewind(before)
                self._forward()
            self._rewind(before)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Another thread may load a model meanwhile, which is no fault of this capture.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self.hidden = self._forward()
        self.graph = graph

    def _rewind(self, lengths: Sequence[Tensor]) -> None:
        for layer, length in zip(self.cache.layers, lengths, strict=True):
            layer.cumulative_length.copy_(length)


def _multiple(number: int, step: int) -> int:
    """The least multiple of ``step`` that is not below a number."""
    return -(-number // step) * step
