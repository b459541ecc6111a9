"""Writes the measured figures into ``docs/results.md``: ``python -m benchmarks.tables``.

The page has one pair of markers per area, ``<!-- figures: AREA -->`` and ``<!-- /figures -->``;
what stands between them is made from ``benchmarks/results/AREA.json`` and nothing else.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "results.md"
# By figure, or by area and figure where two areas have one of the same name.
GOALS = {
    "load_10m_seconds": "≤ 60",
    "load_10m_peak_gb": "≤ 6",
    "rkmeans_100k_vs_faiss": "≤ 1.5",
    "minutes_after_install": "≤ 10",
    "peak_gb": "≤ 6",
    "ndcg10": "≥ ndcg10_cooccurrence",
    "invalid_generations": "0",
    "help_vs_empty_typer": "≤ 2",
    "beauty_recall10": ".092",
    "beauty_ndcg10": ".053",
    "toys_recall10": ".100",
    "toys_ndcg10": ".057",
    "beauty_refit_recall10": ".105",
    "beauty_refit_ndcg10": ".061",
    "toys_refit_recall10": ".110",
    "toys_refit_ndcg10": ".065",
    "beauty_sasrec_refit_recall10": ".092",
    "speedup_20_beams": "≥ 14",
    "speedup_50_beams": "≥ 25",
    "over_floor": "≤ 1.15",
    "max_score_difference": "≤ 1e-4",
    "same_items": "True",
    "mask_share_1m": "≤ .02",
    "filter_compile_ms_1m": "≤ 20",
    "trie_build_seconds_1m": "≤ 5",
    "trie_mb_1m": "≤ 100",
    "memory_50_over_1_beam": "≤ 1.3",
    "vllm_speedup": "≥ 5",
    "gpu_p50_ms_1p7b_beam50": "≤ 12",
    "gpu_ms_ctx1000_beam256": "≤ 20",
    "batching_gain_32_clients": "≥ 4",
    "wrong_or_lost": "0",
    "memory_growth_mb": "about 0",
    "photo_recall10_over_chance": "≥ 10",
    "toy_text_only": "chance, toy_chance",
    "toy_fused": "≥ .95",
    "encode_speedup": "≥ 2",
    "profile_seconds": "≤ 5",
    "errors_caught": "≥ .995",
    "forbidden_caught": "≥ .999",
    "false_alarms": "≤ .01",
    "checks_per_second": "≥ 10,000",
    "reward_pairwise_accuracy": "above the controls",
    "plan_1m_seconds": "≤ 30",
    "warm_cache_share": "≥ .999",
    "kills": "100",
    "lost": "0",
    "doubled": "0",
    "c2pa_valid_share": "1",
    "c2pa_ms": "≤ 25",
    "real_items": "1",
    "constraints_kept": "≥ .999",
    "rejected_repeats": "0",
    "first_card_p50_ms_1m": "≤ 50",
    "beauty_cold_recall10": "≥ .05",
    "toys_cold_recall10": "≥ .05",
    "p_value_vs_sasrec": "< .01",
    "train_minutes_cpu": "≤ 60",
    "copywriting/own_vs_other_win": "> .5",
    "ungrounded_claims": "0",
    "own_vs_other_win": "≥ .95",
    "attributes_kept": "≥ .99",
    "near_copies": "≤ .005",
    "mixed_batch_difference": "≤ 1e-4",
    "mixed_vs_uniform": "≤ 1.15",
    "mixed_vs_loop_speedup": "≥ 2",
    "locked_pixels_unchanged": "1",
    "layout_failures": "0",
    "items_per_second_gain": "≥ 4",
    "loss_difference": "≤ 1e-5",
    "two_process_loss_difference": "≤ 1e-4",
    "killed_worker_identical": "True",
    "invalid_rollouts": "0",
    "rollout_speedup": "> 1",
    "test_minutes": "≤ 20",
    "coverage": "≥ .9",
    "mutation_kill_rate": "≥ .85",
    "leaks": "0",
    "lost_turns": "0",
}
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- /figures -->)", re.DOTALL)


def table(area: str) -> str:
    """The figures of one area as a Markdown table, with the command and the machine."""
    file = ROOT / "benchmarks" / "results" / f"{area}.json"
    if not file.exists():
        return f"Not measured yet: `python -m benchmarks {area}`.\n"
    measured = json.loads(file.read_text())
    figures, machine = measured["figures"], measured["machine"]
    lines = ["| figure | measured | goal |", "|---|---|---|"]
    for key, value in figures.items():
        if key.endswith("_reason") or isinstance(value, dict):
            continue
        shown = f"{value}" if value is not None else f"– ({figures.get(f'{key}_reason', '')})"
        goal = GOALS.get(f"{area}/{key}", GOALS.get(key, ""))
        lines.append(f"| {key} | {shown} | {goal} |")
    lines.append("")
    lines.append(
        f"`python -m benchmarks {area}`, on {machine['cores']} cores ({machine['cpu']}), load "
        f"{machine['load']} at the end."
    )
    return "\n".join(lines) + "\n"


def filled(text: str) -> str:
    """The page with every block made anew."""
    return _BLOCK.sub(lambda block: f"{block[1]}{table(block[2])}{block[3]}", text)


def main() -> None:
    """Rewrites the page; with ``--check``, only says whether it is up to date."""
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before)
    if "--check" in sys.argv:
        sys.exit(0 if before == after else "docs/results.md is out of date: run benchmarks.tables")
    PAGE.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
