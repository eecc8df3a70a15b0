// Makes elements. What comes from the traced process becomes text and nothing else:
// no other file makes elements, and none parses markup.

const svgNames = new Set(["svg", "path"]);

/** Makes an element of properties (on… are listeners) and of children: elements, texts, or nothing. */
export function element(name, properties = {}, ...children) {
  const made = svgNames.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false && child !== ""));
  return made;
}

/** A name that may be broken between its parts. */
export function breakable(name) {
  return name.split(/(?<=::|[/._])(?=\w)/).flatMap((part, i) => (i > 0 ? [element("wbr"), part] : part));
}

/** A group of buttons of which one is pressed. choices are [value, label, disabled]. */
export function choice(label, choices, current, choose) {
  const buttons = choices.map(([value, text, disabled]) => element("button", {
    type: "button", "aria-pressed": String(value === current), disabled, "data-value": value,
    onclick: () => {
      for (const b of buttons) b.setAttribute("aria-pressed", String(b.dataset.value === String(value)));
      choose(value);
    },
  }, text));
  return element("div", { class: "choice", role: "group", "aria-label": label }, element("span", { class: "label", "aria-hidden": "true" }, label), buttons);
}

/** How many, with thousands apart. */
export const count = (n) => n.toLocaleString("en-US");

/** One thing or many. */
export const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

/** A part of the whole, in percent. */
export function percent(part, whole) {
  const share = whole > 0 ? (100 * part) / whole : 0;
  return `${share < 10 && share > 0 ? share.toFixed(1) : Math.round(share)}%`;
}
