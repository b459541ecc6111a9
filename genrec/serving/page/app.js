// The page: which chat is shown, what is said in it, and what the buttons do.

import * as api from "./api.js";
import * as book from "./book.js";
import { takeAway } from "./cards.js";
import { find, icon, iconButton, make, speak } from "./dom.js";
import { askFor, basketPanel, profilePanel } from "./panels.js";
import { Talk, showTurn } from "./talk.js";
import { tile } from "./tile.js";

const [sayBox, form, sendButton] = ["say", "form", "send"].map(find);
let shop = { name: "Shop", currency: "USD", suggestions: [], users: [] };
let id = "", busy = 0, reading = 0, followed = true;

const guest = (user) => !user || user.startsWith("guest-");
const whose = () => book.chat(id)?.user || book.user();
const basket = () => book.chat(id)?.basket || [];

const talk = new Talk(find("talk"), {
  act: async (action, card, element) => {
    if (action === "hide") takeAway(element);
    if (action === "more_like") feedback(card, "like");
    const kept = await say({ text: "", action, item: card.item });
    if (action === "hide" && !kept) element.classList.remove("gone");
  },
  choose: (card) => (holds(card.item) ? takeOut(card) : putIn(card)),
  chosen: (card) => { if (!holds(card.item)) putIn(card); },
  inBasket: holds,
  rules: drawRules,
  offer: drawOffers,
});

/** What is liked or chosen is told to the shop, which learns from it; that it fails harms nobody. */
async function feedback(card, kind) {
  const user = whose();
  if (user) await api.chosen(user, card.item, kind).catch(() => notice("Your choice could not be told to the shop; it learns nothing from it."));
}

function holds(item) {
  return basket().some((one) => one.item === item);
}

function putIn({ item, title, price, price_text }) {
  setBasket([...basket(), { item, title, price, price_text }]);
  feedback({ item }, "add_to_cart");
  speak(`In your basket: ${title}`);
}

function takeOut({ item, title }) {
  setBasket(basket().filter((one) => one.item !== item));
  speak(`Taken out: ${title}`);
}

function setBasket(list) {
  book.update(id, { basket: list });
  drawBasket();
  talk.marks();
}

function drawBasket() {
  const count = basket().length;
  find("open-basket").replaceChildren(icon("bag"), count ? make("span", { class: "count" }, String(count)) : "");
  find("open-basket").setAttribute("aria-label", count ? `Basket, ${count} ${count === 1 ? "item" : "items"}` : "Basket, empty");
}

function drawRules(chips, matching) {
  const place = find("rules");
  place.hidden = !chips.length;
  place.replaceChildren(...chips.map((chip) => make("span", { class: "chip", dir: "auto" }, chip)),
    chips.length && matching ? make("span", { class: "soft" }, `${matching.toLocaleString()} fit`) : "",
    chips.length ? iconButton("back", "Take back", () => say({ text: "", action: "undo" }), { wide: true, class: "act wide plain" }) : "");
}

function drawOffers(options) {
  find("quick").replaceChildren(...options.slice(0, 6).map((text) =>
    make("button", { type: "button", class: "offer", dir: "auto", onclick: () => say({ text }) }, text)));
}

function drawChats() {
  find("chat-list").replaceChildren(...book.chats().map((one) => make("li", { class: one.id === id ? "here" : "" },
    make("button", { type: "button", class: "go", "aria-current": one.id === id ? "true" : undefined, onclick: () => { shut(); show(one.id); } },
      icon("chat"), make("span", { dir: "auto" }, one.title || "New chat")),
    iconButton("bin", `Delete chat: ${one.title || "New chat"}`, () => remove(one)))));
  const user = whose();
  find("who").replaceChildren(...(guest(user) ? ["Guest"] : [make("span", { class: "kind" }, "Customer "), user]));
  find("welcome").hidden = talk.place.childElementCount > 0;
  document.body.classList.toggle("fresh", !find("welcome").hidden);
  drawBasket();
}

function notice(text) {
  find("notice").textContent = text;
  find("notice").hidden = !text;
}

async function fresh() {
  const user = book.user() || `guest-${crypto.randomUUID()}`;
  const made = await api.open(user);
  book.add(made.session, made.user);
  id = made.session;
}

/** Shows a chat as the server has it. */
async function show(wanted) {
  const mine = ++reading;
  id = wanted;
  talk.clear();
  drawRules([], 0);
  drawOffers([]);
  notice("");
  if (wanted) {
    book.show(wanted);
    try {
      const kept = await api.transcript(wanted);
      if (mine !== reading) return;
      for (const turn of kept.turns) talk.kept(turn);
    } catch (error) {
      if (mine !== reading) return;
      if (error.status === 404) {
        book.drop(wanted);
        id = "";
        notice("That chat is gone: it was deleted or its time was over. Here is a new one.");
      } else notice(error.message);
    }
  }
  drawChats();
  if (talk.place.childElementCount) showTurn(talk.place.lastElementChild);
}

/** Says something, opening a chat if there is none; gives whether it was kept. */
async function say(message) {
  if (busy) { speak("One moment: the shop is still answering."); return false; }
  busy += 1;
  sendButton.disabled = true;
  notice("");
  try {
    if (!id) await fresh();
  } catch (error) {
    notice(error.message);
    busy -= 1;
    sendButton.disabled = false;
    return false;
  }
  const here = id, sent = { action: "say", ...message, id: crypto.randomUUID() };
  if (!book.chat(here).title && sent.text) book.update(here, { title: sent.text.slice(0, 60), time: Date.now() });
  reading += 1;
  const answer = talk.ask(sent);
  drawOffers([]);
  drawChats();
  followed = true;
  showTurn(answer.turn);
  let version = 0, trouble = null;
  try {
    await api.say(here, sent, (kind, data, place) => {
      if (here !== id) return;
      version = Number((place || "").split(".")[0]) || version;
      answer.take(kind, data);
      if (followed) showTurn(answer.turn);
    });
  } catch (error) {
    trouble = error;
    answer.on_error({ code: error.code || "lost", text: error.message || "The answer was lost on its way." });
  }
  busy -= 1;
  sendButton.disabled = false;
  if (here !== id) return Boolean(answer.done);
  answer.end({ again: () => { answer.turn.remove(); say(message); } });
  if (answer.done) {
    const missed = version - 1 > 0 && !talk.versions.has(version - 1);
    talk.versions.add(version);
    book.tell({ chat: here, version });
    // Another tab said something in between.
    if (missed) await show(here);
  } else if (trouble?.status === 404) {
    book.drop(here);
    id = "";
    drawChats();
  }
  if (followed) showTurn(answer.turn);
  return Boolean(answer.done);
}

async function remove(one) {
  try { await api.remove(one.id); } catch (error) { if (error.status !== 404) { notice(error.message); return; } }
  book.drop(one.id);
  book.tell({ gone: one.id });
  speak("The chat was deleted.");
  if (one.id === id) await show(book.current());
  else drawChats();
  find("new-chat").focus();
}

function profile() {
  const user = whose();
  profilePanel(find("profile"), id, { name: user, guest: guest(user), users: shop.users, acts: {
    change: (name) => { book.setUser(name); find("profile").close(); show(""); },
    save: async () => {
      const link = make("a", { href: URL.createObjectURL(await api.exported(id)), download: "chat.json" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    },
    forget: async () => {
      try {
        const gone = await api.forget(id);
        book.dropUser(user);
        book.drop(id);
        find("profile").close();
        await show("");
        book.tell({ gone: "all" });
        notice(`Forgotten: ${gone.sessions} ${gone.sessions === 1 ? "chat" : "chats"} and all that was thought of you.`);
      } catch (error) { notice(error.message); find("profile").close(); }
    },
  } });
}

function shut() {
  document.body.classList.remove("chats-open");
  find("open-chats").setAttribute("aria-expanded", "false");
}

function grow() {
  sayBox.style.height = "auto";
  sayBox.style.height = `${Math.min(sayBox.scrollHeight, 160)}px`;
}

function wire() {
  for (const [name, glyph] of [["open-chats", "menu"], ["send", "up"]]) find(name).append(icon(glyph));
  find("open-profile").querySelector(".glyph").append(icon("person"));
  find("new-chat").querySelector(".glyph").append(icon("plus"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = sayBox.value.trim();
    if (!text || busy) return;
    sayBox.value = "";
    grow();
    say({ text });
    sayBox.focus();
  });
  sayBox.addEventListener("input", grow);
  sayBox.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
  });
  find("new-chat").addEventListener("click", () => { shut(); show(""); sayBox.focus(); });
  find("open-profile").addEventListener("click", profile);
  find("open-basket").addEventListener("click", () => basketPanel(find("basket"), basket, { currency: shop.currency,
    remove: takeOut }));
  find("open-chats").addEventListener("click", () => {
    const open = document.body.classList.toggle("chats-open");
    find("open-chats").setAttribute("aria-expanded", String(open));
    if (open) find("new-chat").focus();
  });
  // Whoever scrolls reads something; the page leaves them there.
  for (const moved of ["wheel", "touchmove"]) addEventListener(moved, () => { followed = false; }, { passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { shut(); return; }
    if (event.key === "/" && !event.target.closest("input, textarea, select, dialog")) { event.preventDefault(); sayBox.focus(); }
  });
  api.onKeyWanted((why) => askFor(find("ask"), "This shop asks for a key", why, { secret: true }));
  book.hear(async (news) => {
    book.reread();
    if (news.gone && !book.chat(id)) await show(book.current());
    else if (news.chat === id && !talk.versions.has(news.version) && !busy) await show(id);
    else drawChats();
  });
}

async function start() {
  wire();
  try {
    shop = await api.shop();
    document.title = shop.name;
    find("shop-name").textContent = shop.name;
    find("about").textContent = `Say it in your own words: what it is for, what it may cost, what it must not be. ${shop.items.toLocaleString()} things are here.`;
    find("tiles").replaceChildren(...shop.suggestions.map((text) =>
      make("button", { type: "button", class: "idea", dir: "auto", onclick: () => say({ text }) }, tile(text, []), make("span", {}, text))));
    if (shop.suggestions.length) sayBox.placeholder = `Such as: ${shop.suggestions[0].toLowerCase()}`;
  } catch (error) { notice(error.message); }
  await show(book.current());
  document.documentElement.dataset.ready = "yes";
}

start();
