// The tree of a flame graph, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { shades } from "../src/colours.js";
import { place, shortPlace, unfold } from "../src/payload.js";
import { path, treeOf } from "../src/tree.js";

const payload = unfold({
  strings: ["", "main", "main.c", "app", "leak", "leak.c", "libc.so.6+0x7", "libc.so.6"],
  frames: [[1, 2, 3, 3, 0], [1, 2, 9, 3, 0], [4, 5, 7, 3, 0, 1], [6, 0, 0, 7, 0]],
  stacks: [[2, 0], [3, 2, 1]],
});
const site = { name: "leak" }, other = { name: "other" }, old = { name: "(before tracing)" };
const tree = () => treeOf([
  path(payload, { stack: 0, frame: 0 }, { item: site, weight: 3 }),
  path(payload, { stack: 1, frame: 1 }, { item: other, weight: 1 }),
  path(payload, { stack: -1, frame: -1 }, { band: "created before tracing", name: "(before tracing)", item: old, weight: 6 }),
], "all");

test("stacks with callers in common are one box", () => {
  const root = tree();
  assert.equal(root.value, 10);
  assert.deepEqual(root.children.map((n) => [n.name, n.value, n.x0, n.x1]), [["main", 4, 0, 0.4], ["created before tracing", 6, 0.4, 1]]);
  const [leak] = root.children[0].children;
  assert.deepEqual(leak.items, [site, other]);
  assert.deepEqual(leak.children.map((n) => n.name), ["libc.so.6+0x7"]);
});

test("a line is shown where all paths have it in common", () => {
  const [main] = tree().children;
  assert.equal(main.line, 0);
  assert.equal(main.children[0].line, 7);
});

test("the frame to look at is the site's, in a band the name", () => {
  const blamed = [];
  tree().each((n) => n.blamed && blamed.push(n.name));
  assert.deepEqual(blamed, ["leak", "(before tracing)"]);
});

test("nothing is a tree of nothing", () => {
  const root = treeOf([], "all");
  assert.deepEqual([root.value, root.children, root.items], [0, [], []]);
});

test("a frame's place is its line, or its module where the name does not say it", () => {
  const [[leak, main], [nameless]] = payload.stacks;
  assert.deepEqual([place(leak), shortPlace(leak), place(nameless)], ["leak.c:7", "leak.c:7", ""]);
  assert.equal(leak.inlined, true);
  assert.equal(main.id, payload.stacks[1][2].id);
});

test("a frame with what is worse and what is better is not called unclear", () => {
  const { describe } = shades();
  const paths = (...all) => treeOf(all.map((shade) => path(payload, { stack: 0, frame: 0 }, { item: { shade }, weight: 1 })), "both runs");
  assert.deepEqual([paths(1, -1), paths(0, 0), paths(1, 0.5)].map(describe), ["worse and better", "as before, or unclear", "new, or much worse"]);
});
