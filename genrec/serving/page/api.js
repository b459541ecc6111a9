// Everything that is asked of the server. A stream that breaks is taken up where it broke.

const KEY = "genrec-key";
let key = "";
try { key = sessionStorage.getItem(KEY) || ""; } catch { /* private windows keep nothing */ }

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(status, code, message, wait = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.wait = wait;
  }
}

let askForKey = async () => "";
/** Who asks for a key when the server wants one. */
export function onKeyWanted(ask) { askForKey = ask; }

async function send(path, { method = "GET", body, headers = {}, signal } = {}) {
  const given = { ...headers };
  if (key) given.Authorization = `Bearer ${key}`;
  if (body !== undefined) given["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers: given, signal, credentials: "omit",
      body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "offline", "The shop cannot be reached. Check the connection and try again.");
  }
  if (answer.ok) return answer;
  let code = "http", message = `The shop answered with ${answer.status}.`;
  try { ({ code, message } = (await answer.json()).error); } catch { /* no answer of the shop itself */ }
  if (answer.status === 401) {
    const typed = await askForKey(message);
    if (typed) {
      key = typed;
      try { sessionStorage.setItem(KEY, key); } catch { /* kept for this page only */ }
      return send(path, { method, body, headers, signal });
    }
  }
  throw new Refused(answer.status, code, message, Number(answer.headers.get("Retry-After")) || 0);
}

const json = async (path, given) => (await send(path, given)).json();
const session = (id) => `/v1/chat/sessions/${encodeURIComponent(id)}`;

export const shop = () => json("/v1/shop");
export const open = (user) => json("/v1/chat/sessions", { method: "POST", body: user ? { user } : {} });
export const transcript = (id) => json(session(id));
export const exported = async (id) => (await send(`${session(id)}/export`)).blob();
export const remove = (id) => send(session(id), { method: "DELETE" });
export const profile = (id) => json(`${session(id)}/profile`);
export const forget = (id) => json(`${session(id)}/forget`, { method: "POST", body: {} });
export const item = (id) => json(`/v1/items/${encodeURIComponent(id)}`);
export const picture = async (id) => (await send(`/v1/pictures/${encodeURIComponent(id)}`)).blob();

/** Feedback: an event is kept once however often it is sent. */
export const chosen = (user, id, kind) =>
  json("/v1/events", { method: "POST", body: { events: [{ id: crypto.randomUUID(), user, item: id, kind }] } });

/** Says something and hands each event on as it comes; gives whether the turn was kept. */
export async function say(id, message, take) {
  let last = "", done = false, tries = 0;
  const begin = () => send(`${session(id)}/turns`, { method: "POST", body: message });
  const goOn = () => send(`${session(id)}/events`, { headers: { "Last-Event-ID": last } });
  for (;;) {
    try {
      // Before the first event the message is sent again: its id has it answered once.
      const answer = await (last ? goOn() : begin());
      for await (const event of events(answer.body)) {
        last = event.id || last;
        tries = 0;
        done ||= event.kind === "done";
        take(event.kind, event.data, event.id);
      }
      return done;
    } catch (error) {
      const lost = !(error instanceof Refused) || error.status === 0 || error.status === 503;
      if (done) return true;
      if (!lost || ++tries > 6) throw error;
      take("reconnecting", { tries });
      await new Promise((go) => setTimeout(go, Math.min(8000, 400 * 2 ** tries)));
    }
  }
}

/** The server-sent events of a body. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (left + value).split("\n\n");
    left = parts.pop();
    for (const part of parts) {
      const fields = { data: "" };
      for (const line of part.split("\n")) {
        const at = line.indexOf(":");
        if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).replace(/^ /, "");
      }
      if (fields.data) yield { id: fields.id, kind: fields.event, data: JSON.parse(fields.data) };
    }
  }
}
