// A flame graph with what belongs to it: what is under the cursor, search, legend, reset.
import { element, plural } from "./element.js";
import { Flame } from "./flame.js";
import { place } from "./payload.js";
import { named } from "./detail.js";

/** The part of the page with the flame graph. width is what the width of a box means,
 * amount(node, root) says of how many objects it is. go(item) leads to a site, show(item)
 * shows one without leaving the graph. */
export class Graph {
  constructor({ label, width, amount, go, show }) {
    this.go = go;
    this.showItem = show;
    this.amount = amount;
    this.info = element("div", { class: "info" });
    this.legend = element("div");
    this.reset = element("button", { type: "button", hidden: true, onclick: () => { this.flame.reset(); this.flame.focus(); } }, "reset zoom");
    /** What is above the graph. */
    this.tools = element("div", { class: "tools" }, this.reset);
    const host = element("div", { class: "host" });
    this.element = element("section", { class: "graph", "aria-label": "flame graph" },
      this.tools, this.legend, host, this.info,
      element("p", { class: "help" }, `Width is ${width}. Click or Enter zooms, Escape resets; arrow keys move, up to the caller.`));
    this.flame = new Flame(host, { label, amount, onfocus: (n) => this.#focus(n) });
  }

  /** Shows a tree, from its root on, in colours, see colours.js. */
  show(root, colours) {
    this.#colour(root, colours);
    this.flame.show(root);
    this.#focus(root);
  }

  /** Shows the same part of the same tree in other colours. */
  paint(colours) {
    this.#colour(this.flame.root, colours);
    this.flame.draw();
  }

  #colour(root, { colour, describe, legend }) {
    this.flame.colour = colour;
    this.flame.describe = describe;
    this.legend.replaceChildren(legend(root));
  }

  /** Marks frames whose names contain a text, and returns how many there are. */
  search(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) {
      this.flame.mark(undefined);
      return 0;
    }
    let found = 0;
    this.flame.root.each((n) => { found += matches(n, wanted) ? 1 : 0; });
    this.flame.mark((n) => matches(n, wanted));
    return found;
  }

  #focus(n) {
    this.reset.hidden = !this.flame.zoomed;
    const { frame, name, line, items } = n;
    const where = frame && (line || !frame.file) ? place(frame) : frame?.file;
    const shown = items.slice(0, 3);
    if (n.parent && items.length === 1) this.showItem(items[0]);
    this.info.replaceChildren(
      element("p", {}, element("b", {}, name), " ", where && element("span", { class: "at" }, where), " ",
        `${this.amount(n, this.flame.root)}, of ${plural(items.length, "site", "sites")}`),
      n.parent ? element("p", {}, shown.map((item) => [element("button", { type: "button", class: "link", onclick: () => this.go(item) }, named(item)), " "]),
        items.length > shown.length && `and ${plural(items.length - shown.length, "more", "more")}`) : "");
  }
}

/** Tells whether a frame's function, file or module contains a text in lower case. */
export function matches({ name, frame }, wanted) {
  return name.toLowerCase().includes(wanted) || (frame !== undefined && place(frame).toLowerCase().includes(wanted));
}

/** A field to search in, with what was found beside it. */
export function searchField(search) {
  const found = element("span", { role: "status", class: "found" });
  let timer;
  const run = () => { found.textContent = search(input.value); };
  const input = element("input", {
    type: "search", placeholder: "search", "aria-label": "search functions and files", spellcheck: "false", autocomplete: "off",
    oninput: () => { clearTimeout(timer); timer = setTimeout(run, 120); },
    onkeydown: (e) => { if (e.key === "Escape") { input.value = ""; run(); } },
  });
  return element("span", { class: "search" }, input, found);
}

/** Tabs, of which each shows its part of the page's content in the panel. */
export function tabs(label, names, panel, choose) {
  const all = names.map((text, i) => element("button", {
    type: "button", role: "tab", id: `tab-${i}`, "aria-controls": panel.id, "aria-selected": String(i === 0), tabindex: i === 0 ? 0 : -1, onclick: () => pick(i),
  }, text));
  const pick = (i) => {
    all.forEach((tab, n) => {
      tab.setAttribute("aria-selected", String(n === i));
      tab.tabIndex = n === i ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", `tab-${i}`);
    choose(i);
  };
  panel.setAttribute("aria-labelledby", "tab-0");
  return element("div", {
    role: "tablist", "aria-label": label,
    onkeydown: (e) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
      if (!step) return;
      e.preventDefault();
      const i = (all.indexOf(document.activeElement) + step + all.length) % all.length;
      pick(i);
      all[i].focus();
    },
  }, all);
}
