// What a reader does with the page of a difference.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { close, launch, open, pages, print } from "./browser.js";

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

test("what is worse is red, what is better blue", async () => {
  const page = await open(browser, `${pages}diff.html`);
  assert.match(await page.locator("h1").innerText(), /^2 sites leak more than before: 1 new and 1 worse/);
  const colour = (name) => page.getByRole("treeitem", { name }).first().evaluate((b) => {
    const [red, , blue] = getComputedStyle(b).backgroundColor.match(/[\d.]+/g).map(Number);
    return red > blue ? "red" : blue > red ? "blue" : "grey";
  });
  assert.equal(await colour(/^Db::connect/), "red");
  assert.equal(await colour(/^std::thread::_State_impl/), "red");
  assert.equal(await colour(/^Thumbnailer::spawn/), "blue");
  assert.deepEqual(await page.$$eval("#panel .list div .state .badge", (all) => all.map((b) => b.textContent)), ["new", "worse", "better", "gone", "suppressed"]);
  await page.getByRole("treeitem", { name: /^Thumbnailer::spawn/ }).click();
  assert.match(await page.locator("#detail .verdict").innerText(), /^better: /);
  await page.getByRole("tab", { name: "thread", exact: true }).click();
  assert.equal(await page.getByRole("treeitem", { name: /^Db::connect/ }).count(), 0);
  await page.getByRole("searchbox").fill("flusher");
  await page.waitForFunction(() => document.querySelector("[role=status]").textContent === "1 frame, 1 site");
  await close(page);
});

test("a box has the numbers of both runs, and says what cancels out", async () => {
  const page = await open(browser, `${pages}diff.html`);
  const label = await page.getByRole("treeitem", { name: /^Thumbnailer::spawn/ }).first().getAttribute("aria-label");
  await page.getByRole("treeitem", { name: /^Thumbnailer::spawn/ }).first().click();
  const [, before, now] = (await page.locator("#detail .facts").innerText()).match(/outstanding: (\d+) in the old run, (\d+) in the new one/);
  assert.notEqual(before, now);
  assert.ok(label.includes(`${before} -> ${now} objects`), label);
  assert.ok((await page.locator(".info").innerText()).includes(`${before} -> ${now} objects, of 1 site`));
  assert.match(await page.getByRole("treeitem", { name: /^both runs/ }).getAttribute("aria-label"), /\d+ -> \d+ objects/);
  await close(page);
});

test("on paper there are the stacks of all that changed", async () => {
  const page = await open(browser, `${pages}diff.html`);
  await print(page);
  assert.deepEqual(await page.$$eval(".printed article .verdict", (all) => all.map((v) => v.textContent.split(":")[0])), ["new", "worse", "better", "gone", "suppressed"]);
  await close(page);
});
