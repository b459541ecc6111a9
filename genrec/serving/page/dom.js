// Elements from names and texts. Texts are always text: no markup is ever made of them.

/** An element with attributes, listeners (`onclick`, …) and children (elements or texts). */
export function make(name, given = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** A drawing of 24 units a side from the paths of its lines. */
export function drawn(paths, kind = "line") {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: kind, "aria-hidden": "true", focusable: "false" }))
    svg.setAttribute(key, value);
  for (const path of [paths].flat()) {
    const line = document.createElementNS(SVG, "path");
    line.setAttribute("d", path);
    svg.append(line);
  }
  return svg;
}

export const ICONS = {
  menu: "M4 7h16M4 12h16M4 17h10",
  bag: ["M5.5 8.5h13l-1.1 10.3a1.4 1.4 0 0 1-1.4 1.2H8a1.4 1.4 0 0 1-1.4-1.2z", "M8.8 10.8V7.5a3.2 3.2 0 0 1 6.4 0v3.3"],
  person: ["M12 12.2a3.8 3.8 0 1 0 0-7.6 3.8 3.8 0 0 0 0 7.6z", "M4.8 20c.7-3.5 3.6-5.2 7.2-5.2s6.500 1.700 7.200 5.200"],
  plus: "M12 5v14M5 12h14",
  check: "M5 12.5l4.500 4.500L19 7.500",
  up: "M12 19V5.500M6 11l6-6 6 6",
  more: ["M7.500 20H4.500v-9h3z", "M7.500 11l3.600-7c1.700 0 2.600 1.200 2.300 2.800L12.900 9.500h5c1.200 0 2 1 1.800 2.200l-1 6.300c-.2 1.200-1.100 2-2.300 2H7.500"],
  less: ["M7.500 4H4.500v9h3z", "M7.500 13l3.600 7c1.700 0 2.600-1.200 2.300-2.800l-.5-2.700h5c1.200 0 2-1 1.800-2.200l-1-6.300c-.2-1.200-1.100-2-2.300-2H7.500"],
  hide: ["M4 4l16 16", "M9.900 5.700A9.600 9.600 0 0 1 12 5.500c5 0 8.200 4.200 9 6.500-.4 1.100-1.300 2.600-2.800 3.900M6.400 7.600C4.600 8.900 3.500 10.700 3 12c.8 2.300 4 6.500 9 6.500 1.500 0 2.900-.4 4.100-1", "M10 10.200a2.800 2.800 0 0 0 3.800 3.900"],
  why: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "M9.700 9.600a2.400 2.400 0 1 1 3.500 2.100c-.8.400-1.200 1-1.200 1.800v.3", "M12 16.700v.1"],
  ad: ["M4 10v4l3 .4 8.500 4.100v-13L7 9.600z", "M18.500 9.500a3.500 3.500 0 0 1 0 5", "M7.500 14.600l1 4.900h2.300l-.8-4"],
  close: "M6 6l12 12M18 6L6 18",
  bin: ["M5 7h14M10 7V4.800h4V7M7 7l.8 12.200h8.400L17 7", "M10.300 10.500v5.500M13.700 10.500v5.500"],
  save: ["M12 4v11M7.500 11l4.500 4.500 4.500-4.500", "M5 19.500h14"],
  back: ["M9 6L4.500 10.500 9 15", "M4.500 10.500H15a4.500 4.500 0 0 1 0 9h-3"],
  chat: "M5 5.500h14v10H10l-4 3.500v-3.500H5z",
  spark: "M12 4.500l1.700 5.800 5.800 1.700-5.800 1.700L12 19.500l-1.700-5.800L4.500 12l5.800-1.700z",
};

export const icon = (name) => drawn(ICONS[name]);
export const find = (id) => document.getElementById(id);

/** Says something to whoever does not see the page. */
export function speak(text) {
  const place = find("spoken");
  place.textContent = "";
  // The same words twice are said twice only if the place was empty in between.
  requestAnimationFrame(() => { place.textContent = text; });
}

/** A button of an icon and its words; the words are seen where `wide` is asked for. */
export function iconButton(name, label, onclick, { wide = false, ...others } = {}) {
  return make("button", { type: "button", class: wide ? "act wide" : "act", onclick, title: wide ? undefined : label,
    "aria-label": wide ? undefined : label, ...others }, icon(name), wide ? make("span", {}, label) : "");
}

export const money = (value, currency) => {
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(value);
  } catch {
    return `${value} ${currency}`;
  }
};
