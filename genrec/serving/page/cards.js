// Item cards and what can be done to them.

import * as api from "./api.js";
import { icon, iconButton, make } from "./dom.js";
import { tile } from "./tile.js";

/** The picture of an item, or a drawing where it has none. */
function face(card) {
  const place = make("div", { class: "face" }, tile(card.title, card.facts || []));
  if (card.image) {
    api.picture(card.item).then((blob) => {
      const picture = make("img", { alt: "", decoding: "async" });
      picture.addEventListener("load", () => { URL.revokeObjectURL(picture.src); place.replaceChildren(picture); });
      picture.src = URL.createObjectURL(blob);
    }).catch(() => { /* the drawing stays */ });
  }
  return place;
}

/**
 * The cards of a turn.
 * `act(action, card, element)` is told what is pressed; `choose(card)` puts it into the basket or takes it out;
 * `inBasket(item)` says so now.
 */
export function cardList(cards, { act, choose, inBasket, start = 1 }) {
  const list = make("ol", { class: "cards", start });
  cards.forEach((card, at) => {
    const number = start + at;
    const named = make("h3", { dir: "auto" }, make("span", { class: "number" }, `${number}`), card.title);
    const facts = (card.facts || []).slice(0, 3);
    const basket = iconButton("bag", "Add", () => choose(card), { wide: true, class: "act wide main" });
    const mark = () => {
      const inside = inBasket(card.item);
      basket.setAttribute("aria-pressed", String(inside));
      basket.replaceChildren(icon(inside ? "check" : "bag"), make("span", {}, inside ? "In basket" : "Add"));
      basket.setAttribute("aria-label", inside ? `In basket: ${card.title}` : `Add to basket: ${card.title}`);
    };
    const on = (action) => () => act(action, card, element);
    const actions = make("div", { class: "acts", role: "group", "aria-label": `What to do with ${card.title}` }, basket,
      iconButton("more", "More like this", on("more_like")),
      iconButton("less", "Less like this", on("less_like")),
      iconButton("hide", "Never show this again", on("hide")),
      iconButton("why", "Why this?", on("why")),
      iconButton("ad", "Make an ad for me", on("make_ad")));
    const element = make("li", { class: "card", "data-item": card.item, tabindex: "-1" },
      face(card),
      make("div", { class: "about" }, named,
        facts.length ? make("p", { class: "facts", dir: "auto" }, facts.join(" · ")) : "",
        make("p", { class: "price" }, card.price_text || (card.price ?? "") || make("span", { class: "soft" }, "no price"))),
      card.why ? make("p", { class: "why", dir: "auto" }, icon("spark"), make("span", {}, card.why)) : "",
      actions);
    mark();
    element.addEventListener("basket", mark);
    element.addEventListener("keydown", (event) => step(event, element));
    list.append(element);
  });
  return list;
}

/** Left and right go from card to card, to the same button. */
function step(event, element) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
  const cards = [...element.parentElement.querySelectorAll(".card:not(.gone)")];
  const next = cards[cards.indexOf(element) + by];
  const at = [...element.querySelectorAll("button")].indexOf(document.activeElement);
  if (next && at >= 0) {
    event.preventDefault();
    next.querySelectorAll("button")[at]?.focus();
  }
}

/** Takes a card away; the keyboard goes on at its neighbour. */
export function takeAway(element) {
  const next = element.nextElementSibling || element.previousElementSibling;
  const had = element.contains(document.activeElement);
  element.classList.add("gone");
  for (const button of element.querySelectorAll("button")) button.disabled = true;
  if (had) (next?.querySelector("button") || document.getElementById("say")).focus();
}

const NAMES = { headline: "headline", title: "headline", subject: "headline", body: "body", description: "body", text: "body", call: "call", call_to_action: "call", cta: "call" };

/** An ad as a poster, said to be one. */
export function poster(ad, card) {
  const fields = Object.entries(ad.fields || {}).filter(([, text]) => text);
  const lines = fields.map(([name, text]) =>
    make(NAMES[name] === "headline" ? "h3" : "p", { class: NAMES[name] || "body", dir: "auto" }, text));
  const copy = iconButton("save", "Copy the words", async () => {
    try {
      await navigator.clipboard.writeText(fields.map(([, text]) => text).join("\n"));
      copy.replaceChildren(icon("check"), make("span", {}, "Copied"));
    } catch { /* the browser said no */ }
  }, { wide: true });
  const said = ad.statements || [], notes = ad.notes || [];
  return make("article", { class: "poster", "aria-label": `Ad for ${card?.title || ad.item}` },
    card ? face(card) : "",
    make("div", { class: "copy" }, make("p", { class: "label" }, ad.personal === false ? "Ad" : "Ad · made for you"), ...lines,
      make("div", { class: "acts" }, copy),
      said.length || notes.length ? make("details", {}, make("summary", {}, "What it rests on"),
        make("ul", {}, said.map((one) => make("li", { dir: "auto" }, one)), notes.map((one) => make("li", { class: "soft", dir: "auto" }, one)))) : ""));
}
