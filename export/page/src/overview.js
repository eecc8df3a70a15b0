// What the pages of a report and of a difference have in common: tabs, search, a list, one
// site of it, and a flame graph.
import { element, plural } from "./element.js";
import { Graph, searchField, tabs } from "./graph.js";
import { Sites } from "./sites.js";

/**
 * Shows items, which are of a kind each. A page has groups(found) for the list, tree(items)
 * and colours() for the graph, contains(item) for the search, and about(item), elements.
 */
export class Overview {
  /** graph is what the graph needs of the page, see Graph. */
  constructor(payload, items, graph) {
    this.payload = payload;
    this.items = items;
    this.kind = undefined;
    this.query = "";
    this.detail = element("section", { class: "detail", "aria-label": "site", id: "detail" });
    const list = element("section", { class: "list", "aria-label": "sites" });
    this.sites = new Sites(list, (item) => this.go(item));
    this.graph = new Graph({ ...graph, go: (item) => this.go(item), show: (item) => this.#open(item) });
    this.panel = element("div", { id: "panel", role: "tabpanel", class: "columns" }, list, this.detail, this.graph.element);
  }

  /** Shows all of it in an element, in place of what is there. names are of the tabs: of all kinds, and of each. */
  show(main, names, printed) {
    const kinds = tabs("kinds", names, this.panel, (i) => {
      this.kind = i === 0 ? undefined : i - 1;
      this.list();
      this.draw();
    });
    main.replaceChildren(element("div", { class: "bar" }, kinds, searchField((text) => this.search(text))), this.panel, printed);
    this.list();
    this.draw();
    this.#open(this.items[0]);
  }

  get inTab() {
    return this.items.filter((item) => this.kind === undefined || item.kind === this.kind);
  }

  /** Lists the items of the tab that contain what is searched for. */
  list() {
    const found = this.query ? this.inTab.filter((item) => this.contains(item)) : this.inTab;
    this.sites.show(this.groups(found));
    return found.length;
  }

  /** Draws the graph anew: another tab, or other stacks. */
  draw() {
    this.graph.show(this.tree(this.inTab), this.colours());
    this.graph.search(this.query);
  }

  /** Searches, and says how much was found. */
  search(text) {
    this.query = text.trim().toLowerCase();
    const sites = this.list();
    const frames = this.graph.search(this.query);
    return this.query && `${plural(frames, "frame", "frames")}, ${plural(sites, "site", "sites")}`;
  }

  /** Leads to an item, wherever one is on the page. */
  go(item) {
    this.#open(item);
    const narrow = matchMedia("(max-width: 1079px)").matches;
    if (narrow) this.detail.scrollIntoView({ behavior: "smooth", block: "start" });
    this.detail.querySelector("h2").focus({ preventScroll: narrow });
  }

  #open(item) {
    if (!item) return;
    this.sites.select(item);
    this.detail.replaceChildren(...this.about(item).flat().filter(Boolean));
  }
}
