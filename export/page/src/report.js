// The page of a report: which sites leak, all of one of them, and the flame graph.
import { colours } from "./colours.js";
import { breakable, choice, count, element, plural } from "./element.js";
import { detail } from "./detail.js";
import { Graph, matches, searchField, tabs } from "./graph.js";
import { printed } from "./print.js";
import { Sites } from "./sites.js";
import { spark } from "./spark.js";
import { path, treeOf } from "./tree.js";

/** Shows a report in an element, in place of what is there. */
export function showReport(payload, main) {
  new Report(payload, main);
}

class Report {
  constructor(payload, main) {
    this.payload = payload;
    this.kind = undefined;
    this.view = "created";
    this.way = "verdict";
    this.query = "";
    this.detail = element("section", { class: "detail", "aria-label": "site", id: "detail" });
    const list = element("section", { class: "list", "aria-label": "sites" });
    const columns = [
      ["site", (s) => [element("b", {}, breakable(s.name)), s.at && " ", s.at && element("span", { class: "at" }, s.at)], "name",
        (s) => [s.workload && element("small", {}, s.workload), s.ended && element("small", {}, "ended")]],
      ["kind", (s) => payload.kinds[s.kind], "kind"],
      ["outstanding", (s) => count(s.n), "number"],
      ["growth", (s) => element("span", { class: s.growth === "0" && "zero" }, s.growth), "number"],
      ["over time", (s) => spark(s), "time"],
      ["oldest", (s) => s.oldest, "number"],
    ];
    this.columns = { leaking: columns, others: [...columns, ["verdict", (s) => s.state, "state"]] };
    this.sites = new Sites(list, (s) => this.go(s));
    this.graph = new Graph({ label: "outstanding objects by stack, root first", tools: this.#tools(), go: (s) => this.go(s), show: (s) => this.#open(s), one: "site", many: "sites" });
    const panel = element("div", { id: "panel", role: "tabpanel", class: "columns" }, list, this.detail, this.graph.element);
    main.replaceChildren(
      element("div", { class: "bar" }, this.#tabs(panel), searchField((text) => this.search(text))), panel,
      printed(payload.sites.filter((s) => s.state === "leaking" && !s.suppressed), (s) => detail(payload, s)));
    this.update();
    this.#open(payload.sites[0]);
  }

  #tabs(panel) {
    const { kinds, sites } = this.payload;
    const total = (kind) => count(sites.reduce((sum, s) => sum + (kind === undefined || s.kind === kind ? s.n : 0), 0));
    const names = [["all kinds", total()], ...kinds.map((name, i) => [name, total(i)])];
    return tabs("kinds", names.map(([name, n]) => [`${name} `, element("small", {}, n)]), panel, (i) => {
      this.kind = i === 0 ? undefined : i - 1;
      this.update();
    });
  }

  #tools() {
    const has = (field) => this.payload.sites.some((s) => s[field]?.length > 0);
    const lastUsed = this.payload.sites.some((s) => s.role === "last-used");
    return [
      choice("stacks", [["created", "created by"], ["used", "last used by", !lastUsed && !has("used")], ["parked", "stuck at", !has("parked")]], this.view, (view) => {
        this.view = view;
        this.draw();
      }),
      choice("colour", [["verdict", "verdict"], ["kind", "kind"], ["age", "median age"]], this.way, (way) => {
        this.way = way;
        this.draw();
      }),
    ];
  }

  /** Shows the sites of the tab that contain what is searched for. */
  update() {
    const inTab = this.payload.sites.filter((s) => this.kind === undefined || s.kind === this.kind);
    const found = this.query ? inTab.filter((s) => this.#contains(s)) : inTab;
    const state = (...states) => found.filter((s) => !s.suppressed && states.includes(s.state));
    const { leaking, others } = this.columns;
    this.sites.show([
      { title: "leaking", items: state("leaking"), columns: leaking },
      { title: "suspect", items: state("suspect"), columns: leaking, open: true },
      { title: state("unknown").length > 0 ? "not leaking, or not enough evidence yet" : "not leaking", items: state("unknown", "steady", "draining"), columns: others },
      { title: "leaking, but accepted", items: found.filter((s) => s.suppressed), columns: leaking },
    ]);
    this.inTab = inTab;
    this.found = found.length;
    this.draw();
  }

  draw() {
    const paths = this.inTab.flatMap((s) => this.#paths(s));
    const root = treeOf(paths, `all ${this.kind === undefined ? "objects" : `objects: ${this.payload.kinds[this.kind]}`}`);
    this.graph.show(root, colours(this.way, this.payload));
    this.matched = this.graph.search(this.query);
  }

  /** Searches, and says how much was found. */
  search(text) {
    this.query = text.trim().toLowerCase();
    this.update();
    if (!this.query) return "";
    return `${plural(this.matched, "frame", "frames")}, ${plural(this.found, "site", "sites")}`;
  }

  #contains(site) {
    const stacks = [site.stack, ...(site.created ?? []).map((s) => s.stack), ...(site.used ?? []).map((s) => s.stack), ...(site.parked ?? []).map((s) => s.stack)];
    return [site.name, site.at, site.workload].some((t) => t?.toLowerCase().includes(this.query))
      || stacks.some((i) => i >= 0 && this.payload.stacks[i].some((frame) => matches({ name: frame.name, frame }, this.query)));
  }

  // The stacks of a site in the current view, each with how many objects it is of.
  #paths(site) {
    const { payload } = this;
    const one = (stack, band, weight) => path(payload, stack, { band, name: site.name, above: site.workload ? [site.workload] : [], item: site, weight });
    const several = (stacks, rest) => {
      const all = stacks.map((s) => one(s, s.running ? "running" : rest, s.n));
      const left = site.n - stacks.reduce((sum, s) => sum + s.n, 0);
      return left > 0 ? [...all, one({ stack: -1 }, rest, left)] : all;
    };
    const lastUsed = site.role === "last-used";
    switch (this.view) {
      case "used": // of sockets only
        if (lastUsed) return [one(site, site.band, site.n)];
        return site.used ? several(site.used, "last use not seen") : [];
      case "parked": // of threads only
        return site.parked ? several(site.parked, "not looked at") : [];
    }
    if (lastUsed) return several(site.created ?? [], site.band || "creation not seen");
    return [one(site, site.band, site.n)];
  }

  /** Shows a site, where it can be seen. */
  go(site) {
    this.#open(site);
    if (matchMedia("(max-width: 1079px)").matches) this.detail.scrollIntoView({ behavior: "smooth", block: "start" });
  }

  #open(site) {
    if (!site) return;
    this.sites.select(site);
    this.detail.replaceChildren(...detail(this.payload, site, (s) => this.go(s)).flat().filter(Boolean));
  }
}
