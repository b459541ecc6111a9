// The panels at the side: what the shop thinks of you, and your basket.

import * as api from "./api.js";
import { icon, iconButton, make, money } from "./dom.js";

function head(title, id, panel) {
  return make("header", {}, make("h2", { id }, title), iconButton("close", "Close", () => panel.close()));
}

export function openPanel(panel) {
  if (!panel.open) panel.showModal();
  panel.onclick = (event) => { if (event.target === panel) panel.close(); };
}

const day = (seconds) => (seconds ? new Date(seconds * 1000).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" }) : "");

const itemsOf = (list) => make("ul", { class: "evidence" }, list.map((one) =>
  make("li", {}, make("span", { dir: "auto" }, one.title), make("span", { class: "soft" }, day(one.time)))));

const shown = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** What the shop thinks, and why. `acts` has `forget`, `save` and `change`. */
export async function profilePanel(panel, id, { name, guest, users, acts }) {
  const title = "What this shop thinks of you";
  panel.replaceChildren(head(title, "profile-title", panel), make("p", { class: "soft" }, "One moment …"));
  openPanel(panel);
  let view = null, trouble = "";
  if (id) {
    try { view = await api.profile(id); } catch (error) { trouble = error.message; }
  }
  const parts = [head(title, "profile-title", panel), whose(name, guest, users, acts)];
  if (trouble) parts.push(make("p", { class: "trouble" }, trouble));
  else if (!view?.known) parts.push(make("p", {}, "Nothing yet. It has no history of yours; what you say in this chat counts for this chat."));
  else {
    parts.push(make("p", { class: "soft" }, `From ${view.events.toLocaleString()} things you chose.`,
      view.left_out ? ` ${view.left_out.toLocaleString()} more are too personal to be used for anything.` : ""));
    parts.push(make("ul", { class: "traits" }, view.traits.map((trait) => make("li", {},
      make("p", { dir: "auto" }, shown(trait.text)),
      trait.evidence.length ? make("details", {}, make("summary", {}, "Why do you think so?"),
        make("p", { class: "soft" }, trait.events > trait.evidence.length ? `${trait.events.toLocaleString()} choices, among them:` : "You chose:"),
        itemsOf(trait.evidence)) : ""))));
  }
  if (view?.likes.length) parts.push(make("h3", {}, "More like these, in this chat"), itemsOf(view.likes));
  if (view?.rejected.length) parts.push(make("h3", {}, "Never again, in this chat"), itemsOf(view.rejected));
  parts.push(make("div", { class: "last" },
    id ? iconButton("save", "Save this chat", acts.save, { wide: true }) : "",
    id ? iconButton("bin", "Forget me", () => sure(panel, acts.forget), { wide: true, class: "act wide danger" }) : ""));
  panel.replaceChildren(...parts.filter(Boolean));
}

function whose(name, guest, users, acts) {
  if (!users.length) return make("p", { class: "whose" }, guest ? "You are a guest here." : `You are ${name}.`);
  const choice = make("select", { id: "as", onchange: () => acts.change(choice.value) },
    make("option", { value: "" }, "Guest"), users.map((user) => make("option", { value: user }, `Customer ${user}`)));
  if (!guest && !users.includes(name)) choice.append(make("option", { value: name }, `Customer ${name}`));
  choice.value = guest ? "" : name;
  return make("p", { class: "whose" }, make("label", { for: "as" }, "You shop as "), choice);
}

function sure(panel, forget) {
  const no = iconButton("back", "Keep it", () => box.remove(), { wide: true });
  const box = make("div", { class: "sure", role: "alertdialog", "aria-label": "Forget me" },
    make("p", {}, "This removes your profile, what you put into baskets here, and all your chats. It cannot be taken back."),
    no, iconButton("bin", "Forget me for good", forget, { wide: true, class: "act wide danger" }));
  panel.querySelector(".last").before(box);
  no.focus();
}

/** What was put into the basket. */
export function basketPanel(panel, basket, { currency, remove }) {
  const draw = () => {
    const list = basket();
    const sum = list.reduce((all, one) => all + (one.price || 0), 0);
    panel.replaceChildren(head("Your basket", "basket-title", panel),
      list.length ? make("ul", { class: "lines" }, list.map((one) => make("li", {},
        make("span", { dir: "auto" }, one.title), make("span", { class: "price" }, one.price_text || ""),
        iconButton("close", `Take out: ${one.title}`, () => { remove(one); draw(); panel.querySelector("button").focus(); }))))
        : make("div", { class: "nothing" }, icon("bag"), make("p", {}, "Nothing in it yet. Add what you like.")),
      list.length ? make("p", { class: "sum" }, make("span", {}, "Together"), make("strong", {}, money(sum, currency))) : "");
  };
  draw();
  openPanel(panel);
}

/** Asks for something in words; gives "" when the shopper would rather not. */
export function askFor(dialog, title, text, { secret = false } = {}) {
  return new Promise((answer) => {
    const typed = make("input", { id: "asked", type: secret ? "password" : "text", autocomplete: "off", "aria-labelledby": "ask-title" });
    let given = "";
    const form = make("form", { method: "dialog", onsubmit: () => { given = typed.value.trim(); } },
      make("h2", { id: "ask-title" }, title), make("p", { class: "soft" }, text), typed,
      make("div", { class: "last" }, make("button", { type: "button", class: "act wide", onclick: () => dialog.close() }, make("span", {}, "Cancel")),
        make("button", { type: "submit", class: "act wide main" }, make("span", {}, "Go on"))));
    dialog.replaceChildren(form);
    dialog.onclose = () => answer(given);
    dialog.showModal();
  });
}
