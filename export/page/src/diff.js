// The page of a difference: what changed, and a flame graph of both runs.
import { shades } from "./colours.js";
import { count, element } from "./element.js";
import { copyButton, frames, heading, textOf } from "./detail.js";
import { matches } from "./graph.js";
import { Overview } from "./overview.js";
import { printed } from "./print.js";
import { nameColumn } from "./sites.js";
import { path, treeOf } from "./tree.js";

/** Shows a difference in an element, in place of what is there. */
export function showDiff(payload, main) {
  const changed = payload.pairs.filter((p) => p.leaks && p.change !== "same");
  const page = new Difference(payload);
  page.show(main, ["all kinds", ...payload.kinds], printed(changed, (p) => page.about(p), ["more site changed", "more sites changed"]));
}

class Difference extends Overview {
  constructor(payload) {
    const sum = (n, run) => count(n.items.reduce((all, p) => all + p[run], 0));
    super(payload, payload.pairs, {
      label: "objects of both runs by stack, root first",
      width: "the number of objects in the run that has more", amount: (n) => `${sum(n, "old")} -> ${sum(n, "new")} objects`,
    });
    this.columns = [
      nameColumn((p) => element("small", {}, p.why)),
      ["kind", (p) => payload.kinds[p.kind], "kind"],
      ["change", (p) => element("span", { class: `badge ${p.change}` }, p.change), "state"],
      ["outstanding", (p) => p.counts, "number"],
      ["growth", (p) => element("span", { class: p.rates === "0" && "zero" }, p.rates), "number"],
    ];
  }

  groups(found) {
    return [
      { title: "leaking or suspect in either run", items: found.filter((p) => p.leaks), columns: this.columns },
      { title: "leaking in neither", items: found.filter((p) => !p.leaks), columns: this.columns },
    ];
  }

  tree(pairs) {
    return treeOf(pairs.map((p) => path(this.payload, p, { band: p.band, name: p.name, item: p, weight: Math.max(p.old, p.new) })), "both runs");
  }

  colours() {
    return shades();
  }

  contains(p) {
    return matches({ name: p.name }, this.query) || (p.stack >= 0 && this.payload.stacks[p.stack].some((frame) => matches({ name: frame.name, frame }, this.query)));
  }

  about(p) {
    const { payload } = this;
    const what = `${p.change}: ${p.why}`;
    return [
      heading(payload, p),
      element("p", { class: `verdict ${p.change}` }, what),
      element("ul", { class: "facts" }, element("li", {}, `outstanding: ${count(p.old)} in the old run, ${count(p.new)} in the new one`), element("li", {}, `growth: ${p.rates}`)),
      p.stack < 0 ? element("p", { class: "note" }, `no stack: ${p.band}`)
        : element("section", {}, element("h3", {}, "stack ", element("small", {}, "innermost call first"), copyButton(() => textOf(payload, { ...p, facts: [what] }))), frames(payload, p.stack, p.frame)),
    ];
  }
}
