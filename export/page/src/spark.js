// Draws what was outstanding over time.
import { count, element } from "./element.js";

const width = 100, height = 24;

/** A sparkline of a site's counts at times from 0 to 255; each holds until the next. */
export function spark({ t: times, c: counts }) {
  if (!counts) return undefined;
  const most = Math.max(1, ...counts);
  const x = (time) => ((time / 255) * width).toFixed(1);
  const y = (n) => (height - 1 - (n / most) * (height - 3)).toFixed(1);
  let line = `M0 ${y(times[0] > 0 ? 0 : counts[0])}`;
  counts.forEach((n, i) => { line += `H${x(times[i])}V${y(n)}`; });
  line += `H${width}`;
  const label = `outstanding over time: ${count(counts[0])} at first, ${count(most)} at most, ${count(counts[counts.length - 1])} at the end`;
  return element("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    element("path", { class: "area", d: `${line}V${height}H0Z` }), element("path", { class: "line", d: line }));
}
