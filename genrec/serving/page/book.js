// The chats that this browser knows: their secret ids, what they began with, their baskets.

const PLACE = "genrec-chats";
const blank = () => ({ chats: [], current: "", user: "" });

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE));
    return kept && Array.isArray(kept.chats) ? { ...blank(), ...kept } : blank();
  } catch {
    return blank();
  }
}

let memory = read();

function change(how) {
  // Another tab may have written meanwhile.
  const now = persistent() ? read() : memory;
  how(now);
  memory = now;
  try { localStorage.setItem(PLACE, JSON.stringify(now)); } catch { /* private windows keep nothing */ }
}

function persistent() {
  try { localStorage.setItem(`${PLACE}-try`, "1"); localStorage.removeItem(`${PLACE}-try`); return true; } catch { return false; }
}

export const chats = () => memory.chats;
export const chat = (id) => memory.chats.find((one) => one.id === id);
export const reread = () => { if (persistent()) memory = read(); };

// Which chat a tab shows is the tab's own affair; a new tab shows the one shown last.
const TAB = "genrec-chat";
export function current() {
  let own = "";
  try { own = sessionStorage.getItem(TAB) || ""; } catch { /* as above */ }
  return chat(own) ? own : chat(memory.current) ? memory.current : "";
}
export function show(id) {
  try { sessionStorage.setItem(TAB, id); } catch { /* as above */ }
  change((all) => { all.current = id; });
}

export const user = () => memory.user;
export const setUser = (name) => change((all) => { all.user = name; });

export function add(id, user) {
  change((all) => { all.chats = [{ id, user, title: "", time: Date.now(), basket: [] }, ...all.chats].slice(0, 100); });
  show(id);
}
export const drop = (id) => change((all) => { all.chats = all.chats.filter((one) => one.id !== id); });
export const dropUser = (name) => change((all) => {
  all.chats = all.chats.filter((one) => one.user !== name);
  if (all.user === name) all.user = "";
});
export const update = (id, facts) => change((all) => {
  const found = all.chats.find((one) => one.id === id);
  if (found) Object.assign(found, facts);
});

// Tabs of one browser tell each other what happened; each then asks the server.
const channel = "BroadcastChannel" in window ? new BroadcastChannel("genrec-chats") : null;
export const tell = (news) => channel?.postMessage(news);
export const hear = (what) => channel?.addEventListener("message", (event) => what(event.data));
