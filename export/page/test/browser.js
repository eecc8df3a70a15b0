// Opens pages in headless Chromium, without a network.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

/** The directory of the pages that go test has written. */
export const pages = fileURLToPath(new URL("../../../build/pages/", import.meta.url));

/** Where pictures are kept for looking at; they are taken again with UPDATE=1. */
export const update = Boolean(process.env.UPDATE);

export const sizes = [{ width: 1280, height: 800 }, { width: 390, height: 844 }];
export const schemes = ["light", "dark"];

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const launch = () => chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

/**
 * Opens a file and waits until its flame graph is drawn. Whatever is requested, logged as an
 * error, thrown or asked of the user meanwhile and later is in page.problems. A browser without
 * what the page needs draws none.
 */
export async function open(browser, file, { size = sizes[0], scheme = "light", script = true, without } = {}) {
  const context = await browser.newContext({ viewport: size, colorScheme: scheme, offline: true, javaScriptEnabled: script });
  const page = await context.newPage();
  const url = `file://${file}`;
  page.setDefaultTimeout(20_000);
  page.problems = [];
  page.on("request", (r) => r.url() !== url && page.problems.push(`requested ${r.url()}`));
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && page.problems.push(`${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => page.problems.push(e.stack || e.message));
  page.on("dialog", (d) => { page.problems.push(`asked ${d.message()}`); d.dismiss(); });
  page.on("popup", (p) => page.problems.push(`opened ${p.url()}`));
  if (without) await page.addInitScript((name) => { delete window[name]; }, without);
  await page.goto(url);
  if (script && !without) await page.waitForSelector(".flame [role=treeitem]");
  return page;
}

/** Closes a page, in which nothing must have gone wrong. */
export async function close(page) {
  assert.deepEqual(page.problems, []);
  await page.context().close();
}

/** Does what a browser does before it prints a page. */
export async function print(page) {
  await page.emulateMedia({ media: "print" });
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
}

/** What has the focus: a frame, or what else it says. */
export const focused = (page) => page.evaluate(() => document.activeElement.node?.name ?? document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);

/** The serious violations of accessibility rules, as text. */
export async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], resultTypes: ["violations"] }));
  return found.filter((v) => ["serious", "critical"].includes(v.impact))
    .map((v) => `${v.id}: ${v.help}\n${v.nodes.slice(0, 4).map((n) => `  ${n.target}: ${n.failureSummary}`).join("\n")}`);
}

/** Tells whether all of an element is in the first screen. */
export async function inFirstScreen(page, locator) {
  const box = await locator.first().boundingBox();
  const { width, height } = page.viewportSize();
  return box !== null && box.y >= 0 && box.y + box.height <= height && box.x >= 0 && box.x + box.width <= width;
}

/** The names of the boxes of the flame graph. */
export const boxes = (page) => page.$$eval(".flame [role=treeitem]", (all) => all.map((b) => b.node?.name ?? b.getAttribute("aria-label")));
