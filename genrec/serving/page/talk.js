// The conversation on the page: turns from events, as they come or as they were kept.

import { cardList, poster } from "./cards.js";
import { icon, make, speak } from "./dom.js";

const SAID = {
  more_like: "More like this", less_like: "Less like this", hide: "Never show this again",
  why: "Why this?", make_ad: "Make me an ad", buy: "I take this", undo: "Take that back", restart: "Start again",
};

/** Everything that the shopper sees of one chat. `hands` does what is pressed. */
export class Talk {
  constructor(place, hands) {
    this.place = place;
    this.hands = hands;
    this.clear();
  }

  clear() {
    this.place.replaceChildren();
    this.cards = new Map();
    this.versions = new Set();
  }

  /** A turn of the shopper; gives where its answer goes. */
  ask(message) {
    const card = this.cards.get(message.item);
    const words = message.action === "say" || !message.action ? message.text : SAID[message.action] || message.action;
    const mine = make("div", { class: message.action && message.action !== "say" ? "mine small" : "mine" },
      make("span", { class: "unseen" }, "You: "),
      make("p", { dir: "auto" }, words, card ? make("em", {}, ` ${card.title}`) : ""));
    const turn = make("article", { class: "turn", "aria-label": "Turn" }, mine);
    this.place.append(turn);
    return new Answer(turn, this);
  }

  /** Has every card say whether its item is in the basket now. */
  marks() {
    for (const card of this.place.querySelectorAll(".card")) card.dispatchEvent(new CustomEvent("basket"));
  }

  /** A turn that was kept. */
  kept(turn) {
    if (this.versions.has(turn.version)) return;
    this.versions.add(turn.version);
    const answer = this.ask(turn.message);
    answer.old = true;
    for (const event of turn.events) answer.take(event.kind, event);
    answer.end({ quiet: true });
  }
}

/** The answer of one turn while it grows. */
class Answer {
  constructor(turn, talk) {
    this.turn = turn;
    this.talk = talk;
    this.begin();
  }

  begin() {
    this.body?.remove();
    this.words = make("p", { class: "words", dir: "auto" });
    this.waits = make("p", { class: "waits" }, make("i"), make("i"), make("i"), make("span", { class: "unseen" }, "The shop is thinking."));
    this.body = make("div", { class: "theirs" }, make("span", { class: "unseen" }, "The shop: "), this.words, this.waits);
    this.turn.append(this.body);
    this.text = "";
    this.heard = [];
    this.done = null;
    this.failed = null;
  }

  take(kind, data, id) {
    this.waits.remove();
    const taken = this[`on_${kind}`];
    if (taken) taken.call(this, data, id);
  }

  on_again() { this.begin(); }

  on_reconnecting() {
    this.body.append(this.waits);
  }

  on_token({ text }) {
    this.text += text;
    // What is said below the cards stands below them.
    if (this.body.lastElementChild !== this.words && !this.waits.isConnected) {
      this.words = make("p", { class: "words", dir: "auto" });
      this.body.append(this.words);
    }
    this.words.textContent = `${this.words.textContent}${text}`.trimStart();
  }

  on_question({ text, options }) {
    if (text && !this.text.includes(text)) this.on_token({ text: `${this.text ? " " : ""}${text}` });
    this.talk.hands.offer(options || []);
  }

  on_filter({ chips, matching }) {
    this.talk.hands.rules(chips || [], matching);
  }

  on_cards({ cards }) {
    for (const card of cards) this.talk.cards.set(card.item, card);
    if (!cards.length) return;
    this.body.append(cardList(cards, this.talk.hands));
    this.heard.push(`${cards.length} items: ${cards.map((card, at) => `${at + 1}. ${card.title}, ${card.price_text || "no price"}`).join("; ")}.`);
  }

  on_explanation({ item, text, evidence }) {
    if (this.text.includes(text)) return;
    const card = this.talk.cards.get(item);
    this.body.append(make("blockquote", { class: "because" }, icon("why"),
      make("div", {}, card ? make("strong", { dir: "auto" }, card.title) : "", make("p", { dir: "auto" }, text),
        evidence?.length ? make("p", { class: "soft" }, `From ${evidence.length} of your own choices`) : "")));
    this.heard.push(text);
  }

  on_ad(ad) {
    this.body.append(poster(ad, this.talk.cards.get(ad.item)));
    this.heard.push(`An ad: ${Object.values(ad.fields || {}).join(". ")}`);
  }

  on_chosen(card) {
    // What was taken long ago may have been put back since.
    if (!this.old) this.talk.hands.chosen(this.talk.cards.get(card.item) || card);
  }

  on_error({ code, text }) {
    this.failed = { code, text };
    this.body.append(make("p", { class: "trouble", dir: "auto" }, text || "That did not work. Your chat is as it was."));
    this.heard.push(text);
  }

  on_done(done) {
    this.done = done;
    if (!this.text && done.text && !this.failed) this.on_token({ text: done.text });
    this.talk.hands.offer(done.suggestions || []);
  }

  /** No more comes. `quiet` says it is old news. */
  end({ quiet = false, again = null } = {}) {
    this.waits.remove();
    for (const words of this.body.querySelectorAll(".words")) if (!words.textContent.trim()) words.remove();
    if (!this.done && !quiet) {
      if (!this.failed) this.on_error({ code: "lost", text: "The answer was lost on its way. Nothing was changed." });
      if (again) this.body.append(make("button", { type: "button", class: "act wide", onclick: again }, icon("back"), make("span", {}, "Try again")));
    }
    if (!quiet) speak([this.text.trim(), ...this.heard].filter(Boolean).join(" "));
  }
}

/** Shows a turn: its end where all of it fits, else its beginning, for one reads from there. */
export function showTurn(turn = null) {
  const room = document.scrollingElement;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const [head, foot] = [".top", ".foot"].map((name) => document.querySelector(name).offsetHeight);
  const box = turn?.getBoundingClientRect();
  const fits = !box || box.height + head + foot + 24 < room.clientHeight;
  const top = fits ? room.scrollHeight : room.scrollTop + box.top - head - 12;
  room.scrollTo({ top, behavior: calm ? "instant" : "smooth" });
}
