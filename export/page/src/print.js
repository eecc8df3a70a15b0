// What is printed instead of the one site that the screen shows.
import { element, plural } from "./element.js";

const most = 200;

/** An element that has the details of items, by detail(item), once the page is printed. */
export function printed(items, detail) {
  const host = element("div", { class: "printed" });
  const fill = () => host.replaceChildren(...items.slice(0, most).map((item) => element("article", {}, detail(item))),
    items.length > most ? element("p", {}, `… and ${plural(items.length - most, "more site leaks", "more sites leak")}`) : "");
  addEventListener("beforeprint", fill);
  matchMedia("print").addEventListener("change", (e) => e.matches && fill());
  return host;
}
