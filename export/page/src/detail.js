// Shows all there is to know of one site.
import { breakable, count, element, plural } from "./element.js";
import { place } from "./payload.js";
import { spark } from "./spark.js";

/** Returns elements about a site. go(site) leads to another one. */
export function detail(payload, site, go) {
  const [verdict, ...facts] = site.facts;
  if (site.n > 1 && site.median > 0) facts.push(`half of them for ${site.half} or longer`);
  const again = site.again ? payload.sites[site.again - 1] : undefined;
  return [
    heading(payload, site),
    element("p", { class: `verdict ${site.suppressed ? "suppressed" : site.state}` }, verdict),
    site.suppressed && element("p", {}, "accepted: ", site.suppressed),
    chart(payload, site),
    element("ul", { class: "facts" },
      [site.workload && `of ${site.workload}`, ...facts].filter(Boolean).map((fact) => element("li", {}, fact)),
      site.who?.map((line) => element("li", { class: "who" }, line)),
      again && go && element("li", {}, "the same sort is created now, so likely these were, at ", element("button", { type: "button", class: "link", onclick: () => go(again) }, named(again)))),
    limits(site),
    stack(payload, site),
    parked(payload, site),
    related(payload, site, "created by", site.created),
    related(payload, site, "last used by", site.used),
    samples(site),
  ];
}

/** A site's name with its place. */
export const named = (site) => (site.at ? `${site.name} (${site.at})` : site.name);

/** The heading of what is said of a site. It has the focus where one is led to it. */
export function heading(payload, site) {
  const frame = frameOf(payload, site);
  return element("h2", { tabindex: -1 }, element("small", {}, payload.kinds[site.kind]), " ", element("span", {}, breakable(site.name)), site.at && " ",
    site.at && (frame?.url ? link(frame, site.at) : element("span", { class: "at" }, site.at)));
}

const frameOf = (payload, { stack, frame }) => (stack >= 0 && frame >= 0 ? payload.stacks[stack][frame] : undefined);

// Links leave the page and tell nothing of it.
const link = (frame, text) => element("a", { class: "at", href: frame.url, rel: "noreferrer noopener", target: "_blank" }, breakable(text));

function chart(payload, site) {
  if (!site.c || site.c.length < 2) return undefined;
  const most = Math.max(...site.c);
  return element("figure", {}, spark(site),
    element("figcaption", {}, element("span", {}, `${plural(site.n, "object", "objects")} ${site.ended ? "at the end" : "now"}${most > site.n ? `, ${count(most)} at most` : ""}${growing(site)}`),
      element("span", {}, `over ${span(payload.duration)}`)));
}

const growing = ({ ended, growth }) => (ended ? "" : growth === "0" ? ", not growing" : `, growing ${growth}`);

const span = (s) => (s < 120 ? `${Math.round(s)} s` : s < 7200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`);

function limits(site) {
  if (!site.limits) return undefined;
  return element("section", {}, element("h3", {}, "limits"), element("ul", { class: "limits" }, site.limits.map(({ text, share }) =>
    element("li", {}, element("meter", { min: 0, max: 1, high: 0.75, value: share, "aria-label": text }), " ", text))));
}

function stack(payload, site) {
  if (site.stack < 0) return element("p", { class: "note" }, site.band ? `no stack: ${site.band}` : "no stack");
  return element("section", {},
    element("h3", {}, `${site.title || "stack"} `, element("small", {}, "innermost call first"), copyButton(() => textOf(payload, site))),
    frames(payload, site.stack, site.frame), site.note && element("p", { class: "note" }, site.note));
}

/** A list of frames, with the one to look at marked. */
export function frames(payload, number, at) {
  return element("ol", { class: "stack" }, payload.stacks[number].map((frame, i) => {
    const where = place(frame);
    return element("li", { class: i === at ? "site" : frame.file ? "" : "library" },
      i === at && element("span", { class: "arrow", "aria-label": "look here:" }, "→"),
      element("span", { class: "function" }, breakable(frame.name)), " ",
      where && (frame.url ? link(frame, where) : element("span", { class: "at" }, breakable(where))),
      frame.inlined && element("small", {}, " inlined"));
  }));
}

function parked(payload, site) {
  return site.parked?.map(({ title, stack, frame }) => (stack < 0 ? element("p", {}, title)
    : element("section", {}, element("h3", {}, title), frames(payload, stack, frame))));
}

function related(payload, site, title, stacks) {
  return stacks?.filter((s) => s.stack >= 0 && s.stack !== site.stack).map((s) => element("section", {},
    element("h3", {}, s.n < site.n ? `${count(s.n)} of ${count(site.n)} ${title}` : title), frames(payload, s.stack, s.frame)));
}

function samples(site) {
  if (!site.samples) return undefined;
  const title = site.samples.length < site.n ? `the oldest ${site.samples.length === 1 ? "" : `${site.samples.length} `}of ${count(site.n)}` : "all of them";
  return element("section", {}, element("h3", {}, title), element("ul", { class: "samples" }, site.samples.map((s) => element("li", {}, s))));
}

/** A site as plain text, to paste. */
export function textOf(payload, site) {
  const lines = payload.stacks[site.stack].map((frame, i) => {
    const where = place(frame);
    return `${i === site.frame ? "-> " : "   "}${frame.name}${where ? ` (${where})` : ""}${frame.inlined ? " [inlined]" : ""}`;
  });
  return [`${payload.kinds[site.kind]}  ${named(site)}`, ...(site.facts ?? [site.why]), "", ...lines, ""].join("\n");
}

/** A button that copies text() to the clipboard, and says whether it could. */
export function copyButton(text) {
  const button = element("button", { type: "button", class: "copy", onclick: async () => {
    button.textContent = (await copy(text())) ? "copied" : "could not copy";
    button.focus();
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  } }, "copy");
  return button;
}

// Only pages from https or a file may use the clipboard's own interface, if the reader
// allows it.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "hidden" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
