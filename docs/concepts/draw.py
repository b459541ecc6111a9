"""Draws the pictures of the concept pages as SVG: ``python docs/concepts/draw.py``.

Boxes, arrows and words on a white card, so that they can be read on a dark page too.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
INK, PALE, LINE = "#1f2937", "#eef2ff", "#6b7280"
BLUE, ORANGE, GREEN, RED, GREY = "#4c72b0", "#dd8452", "#55a868", "#c44e52", "#d1d5db"


class Drawing:
    """A white card that grows shape by shape; coordinates in pixels from the upper left."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.shapes: list[str] = []

    def box(self, x, y, width, height, words="", *, fill=PALE, edge=BLUE, dash="", size=13) -> None:
        """A rectangle with lines of words in its middle."""
        stroke = f'stroke="{edge}" stroke-dasharray="{dash}"'
        self.shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{fill}" {stroke}/>'
        )
        lines = words.split("\n") if words else []
        for number, line in enumerate(lines):
            shift = (number - (len(lines) - 1) / 2) * (size + 4)
            self.words(x + width / 2, y + height / 2 + shift + size * 0.35, line, size=size)

    def words(self, x, y, text, *, size=13, fill=INK, anchor="middle", bold=False) -> None:
        """One line of words; ``y`` is the line that it stands on."""
        weight = ' font-weight="600"' if bold else ""
        self.shapes.append(
            f'<text x="{x}" y="{y}" font-size="{size}" fill="{fill}" text-anchor="{anchor}"{weight}>'
            f"{escape(text)}</text>"
        )

    def arrow(self, x1, y1, x2, y2, *, edge=LINE, dash="", head=True) -> None:
        """A line from one place to another."""
        end = ' marker-end="url(#head)"' if head else ""
        self.shapes.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{edge}" stroke-width="1.5" '
            f'stroke-dasharray="{dash}"{end}/>'
        )

    def dot(self, x, y, radius, *, fill=BLUE, edge="none") -> None:
        """A disc."""
        self.shapes.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{edge}"/>'
        )

    def save(self, name: str) -> None:
        """Writes ``name.svg`` beside this script."""
        start = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" '
            f'font-family="system-ui, sans-serif"><title>{escape(self.title)}</title>'
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="{LINE}"/></marker></defs>'
            f'<rect width="{self.width}" height="{self.height}" rx="8" fill="#fff"/>'
        )
        text = "\n".join([start, *self.shapes, "</svg>\n"])
        (HERE / f"{name}.svg").write_text(text)


def semantic_ids() -> None:
    """A vector, its nearest centre, and what is left over, three times."""
    card = Drawing(
        820, 330, "Residual quantisation: three nearest centres, each of what is left over"
    )
    places = {"a": (120, 14), "b": (390, 11), "c": (660, 5)}
    points = ((-52, -30), (-20, 38), (40, -44), (55, 22), (8, -2))
    for level, (left, code) in places.items():
        size = {"a": 1.0, "b": 0.62, "c": 0.36}[level]
        card.box(left - 70, 60, 180, 150, fill="#fff", edge=GREY)
        for number, (x, y) in enumerate(points):
            near = number == 3
            card.dot(left + 20 + x * size, 135 + y * size, 6, fill=ORANGE if near else GREY)
        tip = left + 20 + 55 * size + 14 * size, 135 + 22 * size - 20 * size
        card.arrow(left + 20, 135, *tip, edge=BLUE)
        card.arrow(left + 20 + 55 * size, 135 + 22 * size, *tip, edge=RED, dash="3 2", head=False)
        what = "the item's vector" if level == "a" else "what was left over"
        card.words(left + 20, 48, what, bold=True)
        card.box(left - 25, 228, 90, 30, f"<{level}_{code}>", fill="#fff7ed", edge=ORANGE)
        card.arrow(left + 20, 212, left + 20, 226)
        if level != "c":
            card.arrow(left + 114, 135, left + 196, 135, edge=RED, dash="3 2")
    card.words(
        410, 26, "blue: the vector · orange: its nearest of 32 centres (5 drawn) · red: the rest"
    )
    card.words(410, 298, "The item is called <a_14><b_11><c_5>. Items that share <a_14> are alike;")
    card.words(410, 317, "those that share <a_14><b_11> are more alike.")
    card.save("semantic_ids")


def constrained_decoding() -> None:
    """A tree of codes in which closed branches are never entered."""
    card = Drawing(820, 370, "Beam search under the trie, with two beams and a filter")
    rows = {"first": 110, "second": 200, "third": 290}
    card.dot(410, 45, 7, fill=INK)
    card.words(410, 30, "after the prompt", bold=True)
    first = {150: ("a_1 .30", "live"), 410: ("a_4 .55", "live"), 670: ("a_7 .15", "closed")}
    second = {
        80: ("b_0 .10", "cut"), 200: ("b_6 .90", "live"), 360: ("b_2 .60", "live"),
        480: ("b_9 .40", "cut"), 670: ("b_3", "closed"),
    }  # fmt: skip
    third = {
        150: ("c_1 .9", "won"), 240: ("c_5 .1", "closed"), 330: ("c_0 .3", "cut"), 420: ("c_3 .7", "won"),
    }  # fmt: skip
    parents = {80: 150, 200: 150, 360: 410, 480: 410, 150: 200, 240: 200, 330: 360, 420: 360}
    looks = {
        "live": (BLUE, PALE, ""), "won": (ORANGE, "#fff7ed", ""), "cut": (GREY, "#fff", ""),
        "closed": (RED, "#fef2f2", "4 3"),
    }  # fmt: skip
    for x, (_, state) in first.items():
        card.arrow(410, 52, x, 92, edge=looks[state][0], dash=looks[state][2])
    card.arrow(670, 124, 670, 182, edge=RED, dash="4 3")
    for nodes, above, below in ((second, 124, 182), (third, 214, 272)):
        for x, (_, state) in nodes.items():
            if x in parents:
                card.arrow(parents[x], above, x, below, edge=looks[state][0], dash=looks[state][2])
    for nodes, y in zip((first, second, third), rows.values(), strict=True):
        for x, (words, state) in nodes.items():
            edge, fill, dash = looks[state]
            card.box(x - 38, y - 16, 76, 30, words, edge=edge, fill=fill, dash=dash, size=12)
    card.words(530, 287, "the two best whole names:", anchor="start")
    card.words(530, 304, ".30 · .90 · .9 = .243 and .55 · .60 · .7 = .231", anchor="start", size=12)
    card.words(530, 321, "(one beam alone would have lost the first)", anchor="start", size=12)
    card.words(20, 355, "blue: live beam", anchor="start", fill=BLUE)
    card.words(150, 355, "grey: real, but not among the best two", anchor="start", fill=LINE)
    card.words(
        420,
        355,
        "red: no item, or none that the filter allows: never entered",
        anchor="start",
        fill=RED,
    )
    card.save("constrained_decoding")


def packing() -> None:
    """Three histories padded, and the same three in one row with the mask that keeps them apart."""
    card = Drawing(820, 330, "Padded rows, and the same histories packed into one")
    lengths, colours = (7, 3, 4), (BLUE, ORANGE, GREEN)
    card.words(20, 34, "padded: 3 rows of 7 tokens, 7 of 21 are nothing", anchor="start", bold=True)
    for row, (length, colour) in enumerate(zip(lengths, colours, strict=True)):
        for place in range(7):
            used = place < length
            card.box(
                20 + 30 * place,
                50 + 34 * row,
                26,
                26,
                "" if used else "·",
                fill=colour if used else "#fff",
                edge=colour if used else GREY,
            )
    card.words(
        20,
        194,
        "packed: 1 row of 14 tokens; positions begin at 0 in each",
        anchor="start",
        bold=True,
    )
    place = 0
    for length, colour in zip(lengths, colours, strict=True):
        for number in range(length):
            card.box(20 + 30 * place, 210, 26, 26, str(number), fill=colour, edge=colour, size=11)
            place += 1
    card.words(20, 268, "Every token of an item is a target: 14 tokens, one pass.", anchor="start")
    card.words(20, 288, "Sliding windows would make a row for each target.", anchor="start")
    card.words(630, 34, "who sees whom", bold=True)
    start = 0
    cell = 14
    for row in range(14):
        for column in range(14):
            card.box(
                530 + cell * column,
                46 + cell * row,
                cell - 1,
                cell - 1,
                fill="#fff",
                edge="#f3f4f6",
            )
    for length, colour in zip(lengths, colours, strict=True):
        for row in range(length):
            for column in range(row + 1):
                card.box(
                    530 + cell * (start + column),
                    46 + cell * (start + row),
                    cell - 1,
                    cell - 1,
                    fill=colour,
                    edge=colour,
                )
        start += length
    card.words(630, 262, "a row of the square sees what is filled:")
    card.words(630, 280, "its own history up to itself, never a neighbour's")
    card.save("packing")


def hybrid() -> None:
    """One state of the LLM, two ways to read it, one weighted sum."""
    card = Drawing(820, 300, "The hybrid: codes and whole items from one state")
    card.box(20, 110, 130, 60, "history\n<a_3><b_9> …")
    card.box(190, 110, 110, 60, "LLM, once")
    card.box(340, 110, 100, 60, "state\nafter it", fill="#fff", edge=INK)
    card.arrow(150, 140, 188, 140)
    card.arrow(300, 140, 338, 140)
    card.box(490, 30, 160, 60, "codes, level by level\nbeam under the trie")
    card.box(490, 110, 160, 60, "query · item vector\nfor every item", edge=GREEN, fill="#f0fdf4")
    card.box(490, 190, 160, 60, "what followed the\nlast items before", edge=ORANGE, fill="#fff7ed")
    for y in (60, 140):
        card.arrow(440, 140, 488, y)
    card.arrow(85, 172, 85, 220, head=False)
    card.arrow(85, 220, 488, 220)
    for y, end in ((60, 126), (140, 140), (220, 154)):
        card.arrow(650, y, 698, end)
    card.box(700, 110, 100, 60, "weighted\nsum", fill="#fff", edge=INK)
    card.words(
        410,
        282,
        "The weights are chosen on validation cases; 0 is among them. New items enter by their vectors.",
    )
    card.save("hybrid")


def guard() -> None:
    """A text and an item, read by the same code, before anybody sees the text."""
    card = Drawing(820, 270, "The guard: what a text says is held against what the item says")
    card.box(20, 30, 170, 56, "the text\n“2 kg of oak, now $3”")
    card.box(
        20, 150, 170, 56, "the item's record\ntitle, text, attributes", edge=GREEN, fill="#f0fdf4"
    )
    card.box(250, 90, 150, 56, "one reader of claims\nfor both", fill="#fff", edge=INK)
    card.arrow(190, 58, 248, 105)
    card.arrow(190, 178, 248, 132)
    card.box(450, 30, 160, 56, "says more than\nthe item?", edge=RED, fill="#fef2f2")
    card.box(
        450, 110, 160, 56, "policy, profanity,\npersonal data, tricks?", edge=RED, fill="#fef2f2"
    )
    card.arrow(400, 112, 448, 60)
    card.arrow(400, 124, 448, 138)
    card.box(660, 30, 140, 56, "refused: where,\nwhat, which rule", edge=RED, fill="#fff")
    card.box(660, 170, 140, 56, "let through", edge=GREEN, fill="#f0fdf4")
    card.arrow(610, 58, 658, 58, edge=RED)
    card.arrow(610, 138, 658, 66, edge=RED)
    card.arrow(530, 168, 530, 198, head=False)
    card.arrow(530, 198, 658, 198, edge=GREEN)
    card.words(594, 190, "nothing found", size=11, fill=LINE)
    card.words(
        410,
        252,
        "What is refused is left out and the rest written again; at the end the item's name alone is left.",
    )
    card.save("guard")


def product_lock() -> None:
    """The photograph's pixels go round the painter, not through it."""
    card = Drawing(820, 320, "The product lock: the painter never touches the product")
    card.box(20, 40, 120, 56, "the shop's\nphotograph", edge=GREEN, fill="#f0fdf4")
    card.box(190, 40, 120, 56, "cut-out\nwith alpha", edge=GREEN, fill="#f0fdf4")
    card.box(20, 170, 120, 56, "prompt, taste,\nseed")
    card.box(190, 170, 120, 56, "painted\nbackground")
    card.box(370, 105, 120, 56, "composite", fill="#fff", edge=INK)
    card.box(550, 105, 110, 56, "a defect?", edge=RED, fill="#fef2f2")
    card.box(710, 105, 95, 56, "words as\ngraphics", edge=ORANGE, fill="#fff7ed")
    card.arrow(140, 68, 188, 68)
    card.arrow(140, 198, 188, 198)
    card.arrow(310, 68, 368, 120)
    card.arrow(310, 198, 368, 146)
    card.arrow(490, 133, 548, 133)
    card.arrow(660, 133, 708, 133)
    card.words(684, 124, "no", size=11)
    card.arrow(605, 161, 605, 198, edge=RED, head=False)
    card.arrow(605, 198, 314, 198, edge=RED)
    card.words(460, 190, "yes: paint again; after three, a plain ground", size=11, fill=RED)
    card.words(20, 270, "At the outline:", anchor="start", bold=True)
    for place in range(14):
        fill = GREEN if place < 8 else "#a7d7b5" if place < 10 else "#c7d2fe"
        card.box(140 + 26 * place, 252, 24, 24, fill=fill, edge="#fff")
    card.words(244, 296, "inside: the placed cut-out, bit for bit", size=12)
    card.words(388, 244, "2 pixels mix", size=12)
    card.words(450, 296, "background", size=12)
    card.save("product_lock")


if __name__ == "__main__":
    for draw in (semantic_ids, constrained_decoding, packing, hybrid, guard, product_lock):
        draw()
