// Lists sites in a table, in groups, a part of them at a time.
import { breakable, count, element, plural } from "./element.js";

const first = 8, more = 100; // rows

/** The first column: what names a site, and its place. below is what is said below them. */
export const nameColumn = (below) => ["site", (s) => [element("b", {}, breakable(s.name)), s.at && " ", s.at && element("span", { class: "at" }, s.at)], "name", below];

/**
 * Tables of items, of which each can be chosen. Groups are {title, items, columns, open}, of
 * which the first, and those that are open, are never folded; columns are [title, cell(item), class], and
 * of the first one also what is below the name.
 */
export class Sites {
  constructor(host, choose) {
    this.host = host;
    this.choose = choose;
    this.open = new Set();
  }

  show(groups) {
    this.rows = new Map();
    this.host.replaceChildren(...groups.filter((g) => g.items.length > 0).map((g, i) => this.#group(g, g.open || i === 0)));
    this.select(this.selected);
  }

  /** Shows which item is chosen. */
  select(item) {
    this.rows.get(this.selected)?.removeAttribute("aria-current");
    this.selected = item;
    this.rows.get(item)?.setAttribute("aria-current", "true");
  }

  #group({ title, items, columns }, unfolded) {
    const body = element("tbody");
    const table = element("table", { class: "sites" },
      element("thead", {}, element("tr", {}, columns.map(([name, , kind]) => element("th", { scope: "col", class: kind }, name)))), body);
    const fill = (n) => this.#fill(body, next, columns, items, n);
    const next = element("button", { type: "button", class: "next", onclick: () => {
      const row = body.children.length;
      fill(more);
      if (next.hidden) body.children[row].querySelector("button").focus();
    } });
    fill(first);
    if (unfolded) return element("div", {}, element("h2", { class: "group" }, title), table, next);
    const folded = element("details", { ontoggle: () => this.open[folded.open ? "add" : "delete"](title) },
      element("summary", {}, `${title} `, element("small", {}, plural(items.length, "site", "sites"))), table, next);
    folded.open = this.open.has(title);
    return folded;
  }

  #fill(body, next, columns, items, n) {
    const from = body.children.length;
    body.append(...items.slice(from, from + n).map((item) => this.#row(item, columns)));
    const left = items.length - body.children.length;
    next.hidden = left <= 0;
    next.textContent = `${count(Math.min(left, more))} more of ${count(left)}`;
  }

  #row(item, columns) {
    const [[, head, kind, below], ...rest] = columns;
    const button = element("button", { type: "button", class: "link", onclick: () => this.choose(item) }, head(item));
    const row = element("tr", { onclick: (e) => e.target.closest("button") || this.choose(item) },
      element("th", { scope: "row", class: kind }, button, below?.(item)), rest.map(([name, cell, c]) => element("td", { class: c, "data-title": name }, cell(item))));
    this.rows.set(item, button);
    if (item === this.selected) button.setAttribute("aria-current", "true");
    return row;
  }
}
