"use strict";
// Reads the page's own elements only; texts of ads are never put together into markup.
(() => {
  const root = document.documentElement;
  const key = "genrec-review-" + document.body.dataset.campaign;
  const cards = [...document.querySelectorAll("article")];
  const byId = new Map(cards.map((card) => [card.dataset.id, card]));
  const find = (id) => document.getElementById(id);
  const controls = ["search", "placement", "language", "state", "flag"].map(find);
  const [search, placement, language, state, flag] = controls;
  const served = location.protocol.startsWith("http");
  let decisions = {};
  let current = -1;

  const load = () => {
    try { decisions = JSON.parse(localStorage.getItem(key)) || {}; } catch { decisions = {}; }
  };
  const keep = () => {
    try { localStorage.setItem(key, JSON.stringify(decisions)); } catch { /* private windows keep nothing */ }
  };
  const say = (text) => { find("said").textContent = text; };

  const show = (card) => {
    const chosen = decisions[card.dataset.id] || "";
    card.dataset.state = chosen;
    for (const button of card.querySelectorAll(".decide button"))
      button.setAttribute("aria-pressed", String(button.dataset.choice === chosen));
    card.querySelector(".state").textContent =
      chosen === "approve" ? "approved" : chosen === "reject" ? "rejected" : "not decided";
  };
  const count = () => {
    const here = cards.map((card) => card.dataset.state);
    const yes = here.filter((one) => one === "approve").length;
    const no = here.filter((one) => one === "reject").length;
    const all = Math.max(cards.length, 1);
    find("meter-yes").style.width = (100 * yes) / all + "%";
    find("meter-no").style.width = (100 * no) / all + "%";
    const visible = cards.filter((card) => !card.hidden).length;
    find("counts").textContent =
      `${visible} shown of ${cards.length} on this page · ${yes} approved · ${no} rejected · ` +
      `${cards.length - yes - no} open`;
    find("none").hidden = visible > 0;
  };
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const card of cards) {
      const text = card.textContent.toLowerCase();
      card.hidden = !(
        words.every((word) => text.includes(word)) &&
        (!placement.value || card.dataset.placement === placement.value) &&
        (!language.value || card.dataset.language === language.value) &&
        (!state.value || (card.dataset.state || "open") === state.value) &&
        (!flag.value || card.dataset.flags.split(" ").includes(flag.value)));
    }
    count();
  };
  const post = (id, choice) => {
    if (!served) return;
    fetch("decisions", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Genrec-Review": "1" },
      body: JSON.stringify({ campaign: document.body.dataset.campaign,
        decisions: [{ ad_id: id, decision: choice || "undecided" }] }),
    }).then((answer) => say(answer.ok ? "Saved." : "Not saved: the server refused it."))
      .catch(() => say("Not saved: the server is gone. Download the decisions instead."));
  };
  const decide = (card, choice) => {
    const id = card.dataset.id;
    if (!choice || decisions[id] === choice) { delete decisions[id]; choice = ""; } else decisions[id] = choice;
    keep(); show(card); count(); post(id, choice);
    if (!served) say(choice ? (choice === "approve" ? "Approved." : "Rejected.") : "Open again.");
  };
  const visible = () => cards.filter((card) => !card.hidden);
  const step = (by) => {
    const list = visible();
    if (!list.length) return;
    const at = list.indexOf(cards[current]);
    const next = list[Math.min(Math.max(at < 0 ? 0 : at + by, 0), list.length - 1)];
    current = cards.indexOf(next);
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  const download = () => {
    const rows = Object.entries(decisions).map(([ad_id, decision]) => ({ ad_id, decision }));
    const text = JSON.stringify({ campaign: document.body.dataset.campaign, decisions: rows }, null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "decisions.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    say(`${rows.length} decisions in decisions.json.`);
  };

  for (const card of cards) {
    card.addEventListener("focusin", () => { current = cards.indexOf(card); });
    for (const button of card.querySelectorAll(".decide button"))
      button.addEventListener("click", () => decide(card, button.dataset.choice));
  }
  for (const control of controls) control.addEventListener("input", filter);
  find("download").addEventListener("click", download);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const card = cards[current];
    const act = {
      j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
      a: () => { if (card) { decide(card, "approve"); step(1); } },
      r: () => { if (card) { decide(card, "reject"); step(1); } },
      u: () => card && decide(card, ""), d: download, "/": () => search.focus(),
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  const start = () => { cards.forEach(show); filter(); root.dataset.ready = "yes"; };
  load();
  for (const card of cards) if (card.dataset.stored && !(card.dataset.id in decisions)) decisions[card.dataset.id] = card.dataset.stored;
  if (served) {
    fetch("decisions").then((answer) => answer.json()).then((stored) => {
      for (const row of stored.decisions) if (byId.has(row.ad_id)) decisions[row.ad_id] = row.decision;
    }).catch(() => {}).finally(start);
  } else start();
})();
