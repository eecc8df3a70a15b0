// The page of a difference: what changed, and a flame graph of both runs.
import { shades } from "./colours.js";
import { breakable, count, element, plural } from "./element.js";
import { copyButton, frames, textOf } from "./detail.js";
import { Graph, matches, searchField, tabs } from "./graph.js";
import { printed } from "./print.js";
import { Sites } from "./sites.js";
import { path, treeOf } from "./tree.js";

/** Shows a difference in an element, in place of what is there. */
export function showDiff(payload, main) {
  new Difference(payload, main);
}

class Difference {
  constructor(payload, main) {
    this.payload = payload;
    this.kind = undefined;
    this.query = "";
    this.detail = element("section", { class: "detail", "aria-label": "site", id: "detail" });
    const list = element("section", { class: "list", "aria-label": "sites" });
    this.columns = [
      ["site", (p) => [element("b", {}, breakable(p.name)), p.at && " ", p.at && element("span", { class: "at" }, p.at)], "name", (p) => element("small", {}, p.why)],
      ["kind", (p) => payload.kinds[p.kind], "kind"],
      ["change", (p) => element("span", { class: `badge ${p.change}` }, p.change), "state"],
      ["outstanding", (p) => p.counts, "number"],
      ["growth", (p) => element("span", { class: p.rates === "0" && "zero" }, p.rates), "number"],
    ];
    this.sites = new Sites(list, (p) => this.go(p));
    this.graph = new Graph({ label: "objects of both runs by stack, root first", tools: [], go: (p) => this.go(p), show: (p) => this.#open(p), one: "site", many: "sites" });
    const panel = element("div", { id: "panel", role: "tabpanel", class: "columns" }, list, this.detail, this.graph.element);
    const kinds = tabs("kinds", ["all kinds", ...payload.kinds], panel, (i) => {
      this.kind = i === 0 ? undefined : i - 1;
      this.update();
    });
    main.replaceChildren(element("div", { class: "bar" }, kinds, searchField((text) => this.search(text))), panel,
      printed(payload.pairs.filter((p) => p.leaks && p.change !== "same"), (p) => this.#detail(p)));
    this.update();
    this.#open(payload.pairs[0]);
  }

  update() {
    const inTab = this.payload.pairs.filter((p) => this.kind === undefined || p.kind === this.kind);
    const found = this.query ? inTab.filter((p) => this.#contains(p)) : inTab;
    this.sites.show([
      { title: "leaking in either run", items: found.filter((p) => p.leaks), columns: this.columns },
      { title: "leaking in neither", items: found.filter((p) => !p.leaks), columns: this.columns },
    ]);
    const paths = inTab.map((p) => path(this.payload, p, { band: p.band, name: p.name, item: p, weight: Math.max(p.old, p.new) }));
    this.graph.show(treeOf(paths, "both runs"), shades());
    this.matched = this.graph.search(this.query);
    this.found = found.length;
  }

  search(text) {
    this.query = text.trim().toLowerCase();
    this.update();
    return this.query && `${plural(this.matched, "frame", "frames")}, ${plural(this.found, "site", "sites")}`;
  }

  #contains(p) {
    return matches({ name: p.name }, this.query) || (p.stack >= 0 && this.payload.stacks[p.stack].some((frame) => matches({ name: frame.name, frame }, this.query)));
  }

  go(p) {
    this.#open(p);
    if (matchMedia("(max-width: 1079px)").matches) this.detail.scrollIntoView({ behavior: "smooth", block: "start" });
  }

  #open(p) {
    if (!p) return;
    this.sites.select(p);
    this.detail.replaceChildren(...this.#detail(p));
  }

  #detail(p) {
    const { payload } = this;
    const what = `${p.change}: ${p.why}`;
    return [
      element("h2", {}, element("small", {}, payload.kinds[p.kind]), " ", element("span", {}, breakable(p.name)), p.at ? " " : "", p.at ? element("span", { class: "at" }, p.at) : ""),
      element("p", { class: `verdict ${p.change}` }, what),
      element("ul", { class: "facts" }, element("li", {}, `outstanding: ${count(p.old)} in the old run, ${count(p.new)} in the new one`), element("li", {}, `growth: ${p.rates}`)),
      p.stack < 0 ? element("p", { class: "note" }, `no stack: ${p.band}`)
        : element("section", {}, element("h3", {}, "stack ", element("small", {}, "innermost call first"), copyButton(() => textOf(payload, { ...p, facts: [what] }))), frames(payload, p.stack, p.frame)),
    ];
  }
}
