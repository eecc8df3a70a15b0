// Draws a tree as a flame graph, root on top, to be used with pointer or keys.
import { element } from "./element.js";
import { shortPlace } from "./payload.js";

const rowHeight = 20; // px, as in the style sheet
// What is narrower than least is drawn together with its neighbours, in boxes that are not
// much wider than together: to zoom to one of these must lead somewhere.
const least = 3, together = 60; // px

/** A flame graph within a host element. Colours are classes that colour(node) returns;
 * amount(node, root) says of how many objects a box is. */
export class Flame {
  constructor(host, { label, amount, onfocus }) {
    this.host = host;
    this.amount = amount;
    this.onfocus = onfocus;
    this.colour = () => "";
    this.describe = () => "";
    this.box = element("div", { class: "flame", role: "tree", "aria-label": label, onkeydown: (e) => this.#key(e), onclick: (e) => this.#click(e), onfocusin: (e) => this.#focused(e), onpointerover: (e) => this.#over(e) });
    host.append(this.box);
    this.matches = undefined;
    new ResizeObserver(() => host.clientWidth !== this.width && this.draw()).observe(host);
  }

  /** Shows another tree, from its root on. */
  show(root) {
    this.root = this.current = root;
    this.view = root;
    this.draw();
  }

  /** Marks nodes for which matches(node) holds; undefined marks none. */
  mark(matches) {
    this.matches = matches;
    this.draw();
  }

  /** Zooms to what lies between x0 and x1: a node, or several children of one beside each other. */
  zoom(range) {
    this.view = range;
    this.current = range.paths ? range : range.parent;
    this.draw();
    this.onfocus(this.current);
  }

  reset() {
    this.zoom(this.root);
  }

  /** Puts the focus on the box that had it last. */
  focus() {
    this.drawn.get(this.current).focus({ preventScroll: true });
  }

  get zoomed() {
    return this.view.x0 > this.root.x0 || this.view.x1 < this.root.x1;
  }

  draw() {
    const width = (this.width = this.host.clientWidth);
    if (!this.root || width === 0) return;
    const focused = this.box.contains(document.activeElement);
    this.drawn = new Map();
    this.rows = [];
    const boxes = [];
    this.#descend([this.root], width, boxes);
    if (!this.drawn.has(this.current)) this.current = this.root;
    this.box.replaceChildren(...boxes);
    this.box.style.height = `${this.rows.length * rowHeight}px`;
    this.drawn.get(this.current).tabIndex = 0;
    if (focused) this.focus();
  }

  // Draws nodes and what is below them; those too narrow to see become one box.
  #descend(nodes, width, boxes) {
    const { x0, x1 } = this.view;
    const scale = width / (x1 - x0);
    let narrow = [];
    const flush = () => {
      if (narrow.length > 0) this.#drawMore(narrow, width, boxes);
      narrow = [];
    };
    for (const n of nodes) {
      const left = Math.max(n.x0, x0), right = Math.min(n.x1, x1);
      if ((right - left) * scale < 1e-6) continue;
      if ((right - left) * scale < least) {
        narrow.push(n);
        if ((right - Math.max(narrow[0].x0, x0)) * scale >= together) flush();
        continue;
      }
      flush();
      boxes.push(this.#box(n, (left - x0) * scale, (right - left) * scale));
      this.#descend(n.children, width, boxes);
    }
    flush();
  }

  #box(n, left, width) {
    const { name, frame, line } = n;
    const above = n.x0 < this.view.x0 || n.x1 > this.view.x1;
    const where = frame && width > 180 && (line || !frame.file) ? shortPlace(frame) : "";
    const found = this.matches && (this.matches(n) ? " match" : " dim");
    const box = element("div", {
      role: "treeitem", tabindex: -1, "aria-level": n.depth + 1, "aria-label": this.label(n), "aria-selected": String(n === this.current),
      class: `${this.colour(n)}${above ? " above" : ""}${n.band ? " band" : ""}${n.blamed ? " blamed" : ""}${found ?? ""}`,
    }, width > 24 ? name : "", where && element("i", {}, ` ${where}`));
    this.#put(box, n.depth, left, width);
    box.node = n;
    this.drawn.set(n, box);
    return box;
  }

  #drawMore(nodes, width, boxes) {
    const { x0, x1 } = this.view;
    const range = { parent: nodes[0].parent, x0: nodes[0].x0, x1: nodes[nodes.length - 1].x1 };
    const left = ((Math.max(range.x0, x0) - x0) / (x1 - x0)) * width;
    const wide = ((Math.min(range.x1, x1) - Math.max(range.x0, x0)) / (x1 - x0)) * width;
    if (wide < 1) return;
    const many = nodes.length;
    const box = element("div", { role: "treeitem", tabindex: -1, "aria-level": nodes[0].depth + 1, "aria-selected": "false", class: "more", "aria-label": `${many} more, narrow frames: zoom to see` }, wide > 56 ? `${many} more` : "");
    this.#put(box, nodes[0].depth, left, wide);
    box.range = many === 1 ? nodes[0] : range;
    boxes.push(box);
  }

  #put(box, depth, left, width) {
    box.style.left = `${left}px`;
    box.style.width = `${Math.max(1, width - 1)}px`;
    box.style.top = `${depth * rowHeight}px`;
    (this.rows[depth] ??= []).push(box);
  }

  /** All that a box stands for, as a sentence. */
  label(n) {
    const { frame, name, line } = n;
    const where = frame && (line || !frame.file) ? shortPlace(frame) : "";
    return [where ? `${name} ${where}` : name, this.amount(n, this.root), this.describe(n)].filter(Boolean).join(", ");
  }

  #click(event) {
    const box = event.target.closest("[role=treeitem]");
    if (!box) return;
    box.focus({ preventScroll: true });
    this.zoom(box.node ?? box.range);
  }

  #over(event) {
    const box = event.target.closest("[role=treeitem]");
    if (box && event.pointerType === "mouse") box.title = box.getAttribute("aria-label");
  }

  #focused(event) {
    const box = event.target.closest("[role=treeitem]");
    if (!box) return;
    for (const other of this.box.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    box.tabIndex = 0;
    if (!box.node || box.node === this.current) return;
    this.drawn.get(this.current)?.setAttribute("aria-selected", "false");
    box.setAttribute("aria-selected", "true");
    this.current = box.node;
    this.onfocus(box.node);
  }

  #key(event) {
    const box = event.target.closest("[role=treeitem]");
    const next = box && this.#target(event.key, box);
    if (next === undefined) return;
    event.preventDefault();
    next?.focus();
  }

  // Where a key leads: an element, null for what was done at once, undefined for other keys.
  #target(key, box) {
    const row = this.rows.find((boxes) => boxes.includes(box));
    const i = row.indexOf(box);
    switch (key) {
      case "ArrowUp": return this.drawn.get(above(box)) ?? null;
      case "ArrowDown": return (box.node && this.rows[box.node.depth + 1]?.find((b) => above(b) === box.node)) ?? null;
      case "ArrowLeft": return row[i - 1] ?? null;
      case "ArrowRight": return row[i + 1] ?? null;
      case "Home": return this.drawn.get(this.root);
      case "Enter":
      case " ": return this.zoom(box.node ?? box.range), null;
      case "Escape": return this.reset(), null;
    }
    return undefined;
  }
}

// The node that calls what is in a box.
const above = (box) => (box.node ?? box.range).parent;
