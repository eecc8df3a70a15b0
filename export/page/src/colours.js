// What the colours of the flame graph mean. They are classes of the style sheet.
import { element } from "./element.js";

const states = ["draining", "steady", "unknown", "suppressed", "suspect", "leaking"]; // as a frame has the last one below it
const ages = [[10, "under 10 s"], [60, "under 1 min"], [600, "under 10 min"], [3600, "under 1 h"], [Infinity, "1 h and more"]];

const stateOf = (site) => (site.suppressed ? "suppressed" : site.state);
const ageOf = (site) => (site.median > 0 ? ages.findIndex(([limit]) => site.median < limit) : -1);
const ageName = (rank) => (rank < 0 ? "age-unknown" : `age-${rank}`);

// The ways to colour: a rank for each site, of which a frame has the highest below it.
const ways = {
  verdict: {
    rank: (site) => states.indexOf(stateOf(site)),
    name: (rank) => states[rank] ?? "unknown",
    text: (name) => (name === "suppressed" ? "leaking, accepted" : name),
    order: [...states].reverse(),
  },
  age: {
    rank: ageOf,
    name: ageName,
    text: (name) => ages[Number(name.slice(4))]?.[1] ?? "age not known",
    order: [...ages.keys(), -1].map(ageName),
  },
};

/** Returns {colour(node), describe(node), legend} of a way to colour: verdict, kind or age. */
export function colours(way, payload) {
  const { name, text, order } = way === "kind" ? kinds(payload) : ranked(ways[way]);
  const classes = new Map();
  const colour = (n) => {
    if (!classes.has(n)) classes.set(n, n.value > 0 ? name(n.items) : "");
    return classes.get(n);
  };
  return { colour, describe: (n) => (n.value > 0 ? text(colour(n)) : ""), legend: (root) => {
    const used = new Set([...root.items.map((item) => name([item])), colour(root)]);
    return legend(order.filter((o) => used.has(o)), text);
  } };
}

function ranked({ rank, name, text, order }) {
  return { text, order, name: (sites) => name(Math.max(...ranksOf(sites, rank))) };
}

// At most one of each rank, for there may be more sites than an argument list takes.
const ranksOf = (sites, rank) => new Set(sites.map(rank));

function kinds(payload) {
  return {
    name: (sites) => (sites.every((s) => s.kind === sites[0].kind) ? `kind-${sites[0].kind % 8}` : "several"),
    text: (name) => (name === "several" ? "several kinds" : payload.kinds[Number(name.slice(5))]),
    order: [...payload.kinds.map((_, i) => `kind-${i % 8}`), "several"],
  };
}

function legend(names, text) {
  return element("ul", { class: "legend", "aria-label": "what the colours mean" }, names.map((name) => element("li", {}, element("i", { class: `swatch ${name}` }), text(name))));
}

/** The colours of a difference: red for worse, blue for better, by the shades of sites. */
export function shades() {
  const text = { "worse-2": "new, or much worse", "worse-1": "worse", same: "as before, or unclear", "better-1": "better", "better-2": "gone, or much better" };
  const shade = (paths) => paths.reduce((sum, { item, weight }) => sum + item.shade * weight, 0) / Math.max(1, paths.reduce((sum, { weight }) => sum + weight, 0));
  const name = (paths) => {
    const s = shade(paths);
    if (Math.abs(s) < 0.02) return "same";
    return `${s > 0 ? "worse" : "better"}-${Math.abs(s) < 0.5 ? 1 : 2}`;
  };
  const colour = (n) => name(n.paths);
  const used = (root) => new Set([...root.paths.map((path) => name([path])), colour(root)]);
  const both = ({ paths }) => paths.some(({ item }) => item.shade > 0) && paths.some(({ item }) => item.shade < 0);
  const describe = (n) => (colour(n) === "same" && both(n) ? "worse and better" : text[colour(n)]);
  return { colour, describe, legend: (root) => legend(Object.keys(text).filter((t) => used(root).has(t)), (t) => text[t]) };
}
