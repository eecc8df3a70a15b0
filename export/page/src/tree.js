// Merges stacks into a tree of frames, root first, as a flame graph shows them.

/**
 * A box of a flame graph: it lies between x0 and x1, from 0 to 1, and what it calls below
 * it. Its children are made when they are looked at: of 10,000 sites with a quarter of a
 * million frames few can be seen at a time.
 */
class Node {
  #children;

  constructor(parent, step, paths, x0, x1) {
    this.parent = parent;
    this.depth = parent ? parent.depth + 1 : 0;
    this.frame = step.id === undefined ? undefined : step;
    this.name = this.frame ? step.name : step.text;
    // For what is no frame, as objects created before tracing.
    this.band = step.band === true;
    this.paths = paths;
    this.value = paths.reduce((sum, path) => sum + path.weight, 0);
    this.x0 = x0;
    this.x1 = x1;
  }

  /** The line that all of its paths have in common, or 0. */
  get line() {
    if (!this.frame) return 0;
    const { line } = this.frame;
    return this.paths.every((path) => path.steps[this.depth - 1].line === line) ? line : 0;
  }

  /** Tells whether it is the frame to look at, of one of its sites at least. */
  get blamed() {
    return this.paths.some((path) => path.blamed === this.depth - 1);
  }

  /** The sites below it, each once. */
  get items() {
    return [...new Set(this.paths.map((path) => path.item))];
  }

  /** What it calls: the widest first, and what is no frame last. */
  get children() {
    return (this.#children ??= this.#split());
  }

  #split() {
    const groups = new Map();
    for (const path of this.paths) {
      if (path.steps.length <= this.depth) continue;
      const step = path.steps[this.depth];
      const key = step.id ?? `${step.band ? "band" : "text"} ${step.text}`;
      const group = groups.get(key);
      if (group) group.push(path);
      else groups.set(key, [path]);
    }
    const children = [...groups.values()].map((paths) => new Node(this, paths[0].steps[this.depth], paths));
    children.sort((a, b) => a.band - b.band || b.value - a.value || (a.name < b.name ? -1 : 1));
    let x = this.x0;
    const scale = (this.x1 - this.x0) / Math.max(1, this.value);
    for (const child of children) {
      child.x0 = x;
      child.x1 = x += child.value * scale;
    }
    return children;
  }

  /** Calls visit for it and all below it. */
  each(visit) {
    visit(this);
    for (const child of this.children) child.each(visit);
  }
}

/**
 * Makes a tree of paths {steps, blamed, item, weight}. A step is a frame, or {text, band} for
 * what is no frame; the one that is blamed is by its number.
 */
export function treeOf(paths, title) {
  return new Node(undefined, { text: title }, paths, 0, 1);
}

/** The path of objects with a stack {stack, frame}, or of those in a band, below other texts. */
export function path(payload, { stack, frame }, { band, name, above = [], item, weight }) {
  const below = stack >= 0 ? [...payload.stacks[stack]].reverse() : [{ text: band, band: true }, { text: name }];
  const blamed = stack >= 0 && frame >= 0 ? above.length + below.length - 1 - frame : above.length + 1;
  return { steps: [...above.map((text) => ({ text })), ...below], blamed, item, weight };
}
