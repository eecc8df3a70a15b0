// The page of a report: which sites leak, all of one of them, and the flame graph.
import { colours } from "./colours.js";
import { choice, count, element, percent, plural } from "./element.js";
import { detail } from "./detail.js";
import { matches } from "./graph.js";
import { Overview } from "./overview.js";
import { printed } from "./print.js";
import { nameColumn } from "./sites.js";
import { spark } from "./spark.js";
import { path, treeOf } from "./tree.js";

/** Shows a report in an element, in place of what is there. */
export function showReport(payload, main) {
  const { sites, kinds } = payload;
  const total = (kind) => count(sites.reduce((sum, s) => sum + (kind === undefined || s.kind === kind ? s.n : 0), 0));
  const names = [["all kinds", total()], ...kinds.map((name, i) => [name, total(i)])];
  const state = (wanted) => sites.filter((s) => s.state === wanted && !s.suppressed);
  const [leaking, suspect] = [state("leaking"), state("suspect")];
  new Report(payload).show(main, names.map(([name, n]) => [`${name} `, element("small", {}, n)]), leaking.length > 0
    ? printed(leaking, (s) => detail(payload, s), ["more site leaks", "more sites leak"])
    : printed(suspect, (s) => detail(payload, s), ["more site may leak", "more sites may leak"]));
}

// What the root of each view is called, with and without objects.
const roots = {
  created: ["all objects", "no objects"],
  used: ["objects by their last use", "no socket here with a known last use"],
  parked: ["objects by where they are stuck", "no thread or goroutine here that was looked at"],
};

class Report extends Overview {
  constructor(payload) {
    super(payload, payload.sites, {
      label: "outstanding objects by stack, root first",
      width: "the number of objects", amount: (n, root) => `${plural(n.value, "object", "objects")}, ${percent(n.value, root.value)}`,
    });
    this.view = "created";
    this.way = "verdict";
    this.graph.tools.prepend(...this.#tools());
    const columns = [
      nameColumn((s) => [s.workload && element("small", {}, s.workload), s.ended && element("small", {}, "ended")]),
      ["kind", (s) => payload.kinds[s.kind], "kind"],
      ["outstanding", (s) => count(s.n), "number"],
      ["growth", (s) => element("span", { class: s.growth === "0" && "zero" }, s.growth), "number"],
      ["over time", (s) => spark(s), "time"],
      ["oldest", (s) => s.oldest, "number"],
    ];
    this.columns = { leaking: columns, others: [...columns, ["verdict", (s) => s.state, "state"]] };
  }

  #tools() {
    const has = (field) => this.items.some((s) => s[field]?.length > 0);
    const lastUsed = this.items.some((s) => s.role === "last-used");
    return [
      choice("stacks", [["created", "created by"], ["used", "last used by", !lastUsed && !has("used")], ["parked", "stuck at", !has("parked")]], this.view, (view) => {
        this.view = view;
        this.draw();
      }),
      choice("colour", [["verdict", "verdict"], ["kind", "kind"], ["age", "median age"]], this.way, (way) => {
        this.way = way;
        this.graph.paint(this.colours());
      }),
    ];
  }

  groups(found) {
    const state = (...states) => found.filter((s) => !s.suppressed && states.includes(s.state));
    const { leaking, others } = this.columns;
    return [
      { title: "leaking", items: state("leaking"), columns: leaking },
      { title: "suspect", items: state("suspect"), columns: leaking, open: true },
      { title: state("unknown").length > 0 ? "not leaking, or not enough evidence yet" : "not leaking", items: state("unknown", "steady", "draining"), columns: others },
      { title: "leaking, but accepted", items: found.filter((s) => s.suppressed), columns: leaking },
    ];
  }

  tree(sites) {
    const paths = sites.flatMap((s) => this.#paths(s));
    const [some, none] = roots[this.view];
    return treeOf(paths, paths.length === 0 ? none : this.kind === undefined ? some : `${some}: ${this.payload.kinds[this.kind]}`);
  }

  colours() {
    return colours(this.way, this.payload);
  }

  contains(site) {
    const stacks = [site.stack, ...(site.created ?? []).map((s) => s.stack), ...(site.used ?? []).map((s) => s.stack), ...(site.parked ?? []).map((s) => s.stack)];
    return [site.name, site.at, site.workload].some((t) => t?.toLowerCase().includes(this.query))
      || stacks.some((i) => i >= 0 && this.payload.stacks[i].some((frame) => matches({ name: frame.name, frame }, this.query)));
  }

  about(site) {
    return detail(this.payload, site, (s) => this.go(s));
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
      case "parked": // of threads and goroutines only
        return site.parked ? several(site.parked, "not looked at") : [];
    }
    if (lastUsed) return several(site.created ?? [], site.band || "creation not seen");
    return [one(site, site.band, site.n)];
  }
}
