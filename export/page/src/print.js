// What is printed instead of the one site that the screen shows.
import { element, plural } from "./element.js";

const most = 200;

/** An element that has the details of items, by detail(item), while the page is printed.
 * more is what is left out: one thing or many. */
export function printed(items, detail, more) {
  const host = element("div", { class: "printed" });
  addEventListener("beforeprint", () => host.replaceChildren(...items.slice(0, most).map((item) => element("article", {}, detail(item))),
    items.length > most ? element("p", {}, `… and ${plural(items.length - most, ...more)}`) : ""));
  addEventListener("afterprint", () => host.replaceChildren());
  return host;
}
