// What a reader does with the page of a report, on fixed reports.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { boxes, close, focused, inFirstScreen, launch, open, pages, print, schemes, sizes, update, violations } from "./browser.js";

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

const screens = fileURLToPath(new URL("screens/", import.meta.url));

for (const name of ["leaks", "diff"]) {
  for (const size of sizes) {
    for (const scheme of schemes) {
      test(`${name} at ${size.width} in ${scheme}: the culprit is in the first screen`, async () => {
        const page = await open(browser, `${pages}${name}.html`, { size, scheme });
        assert.match(await page.locator("h1").innerText(), /^\d sites leak/);
        const site = page.locator("#panel .list tbody th.name").first();
        assert.match(await site.innerText(), /\w+\.cc:\d+/);
        assert.ok(await inFirstScreen(page, site), "the first site is not in the first screen");
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, "the page is wider than the screen");
        if (update) {
          mkdirSync(screens, { recursive: true });
          await page.screenshot({ path: `${screens}${name}-${size.width}-${scheme}.png` });
        }
        await close(page);
      });
    }
  }
}

["diff", "judged", "nothing", "network", "past", "over", "flood", "node", "goroutine"].forEach((name, i) => {
  test(`${name}: every site, view and colour can be shown, and nothing is in the way of anyone`, async () => {
    const page = await open(browser, `${pages}${name}.html`, { size: sizes[i % 2], scheme: schemes[(i >> 1) % 2] });
    for (const group of await page.$$("details")) await group.evaluate((d) => { d.open = true; });
    for (const site of await page.$$("#panel th.name button")) {
      await site.evaluate((b) => b.click());
      assert.equal(await page.locator("#detail h2").count(), 1);
      assert.equal(await site.getAttribute("aria-current"), "true");
    }
    for (const button of await page.$$(".choice button:not([disabled])")) {
      await button.evaluate((b) => b.click());
      assert.ok((await boxes(page)).length > 0);
    }
    assert.deepEqual(await violations(page), []);
    await close(page);
  });
});

test("a frame is zoomed to and left again", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  const all = await boxes(page);
  const reset = page.getByRole("button", { name: "reset zoom" });
  assert.ok(await reset.isHidden());
  await page.getByRole("treeitem", { name: /^Thumbnailer::run/ }).click();
  const zoomed = await boxes(page);
  assert.ok(zoomed.length < all.length && zoomed.includes("main") && zoomed.includes("_Fork"), zoomed.join());
  const width = await page.getByRole("treeitem", { name: /^Thumbnailer::run/ }).evaluate((b) => b.offsetWidth / b.parentElement.offsetWidth);
  assert.ok(width > 0.99, `the frame has ${width} of the width`);
  assert.match(await page.locator("#detail h2").innerText(), /Thumbnailer::spawn/, "the only site below is not shown");
  await reset.click();
  assert.deepEqual(await boxes(page), all);
  await close(page);
});

test("what is searched for is counted, marked, and all that is listed", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  await page.getByRole("searchbox").fill("THUMBNAIL.cc");
  await page.waitForFunction(() => document.querySelector("[role=status]").textContent === "2 frames, 1 site");
  assert.equal(await page.locator(".flame .match").count(), 2);
  assert.equal(await page.locator("#panel .list tbody tr").count(), 1);
  await page.getByRole("searchbox").fill("nowhere to be found");
  await page.waitForFunction(() => document.querySelector("[role=status]").textContent === "0 frames, 0 sites");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelector("[role=status]").textContent === "");
  assert.equal(await page.locator(".flame .match, .flame .dim").count(), 0);
  await close(page);
});

test("a tab shows one kind, in the list and in the graph", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  await page.getByRole("tab", { name: /^close-wait/ }).click();
  const kinds = await page.$$eval("#panel .list td.kind", (cells) => [...new Set(cells.map((c) => c.textContent))]);
  assert.deepEqual(kinds, ["close-wait"]);
  const shown = await boxes(page);
  assert.ok(shown.includes("Db::connect()") && !shown.some((b) => b.startsWith("Thumbnailer")), shown.join());
  await close(page);
});

test("the views show who created, who used last, and where threads are", async () => {
  const page = await open(browser, `${pages}network.html`);
  assert.ok((await boxes(page)).includes("Http::connect"));
  await page.getByRole("button", { name: "last used by" }).click();
  const used = await boxes(page);
  assert.ok(used.includes("Audit::fetch()") && !used.includes("Http::connect"), used.join());
  await close(page);
  const past = await open(browser, `${pages}past.html`);
  assert.ok((await boxes(past)).includes("created before tracing"));
  await past.getByRole("button", { name: "stuck at" }).click();
  const stuck = await boxes(past);
  assert.ok(stuck.includes("Worker::wait()") && stuck.includes("running"), stuck.join());
  await close(past);
});

test("colours follow verdict, kind and age, each with a legend", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  const seen = [];
  for (const way of ["verdict", "kind", "median age"]) {
    await page.getByRole("button", { name: way, exact: true }).click();
    seen.push(await page.$$eval(".legend li", (all) => all.map((li) => li.textContent)));
  }
  assert.deepEqual(seen[0], ["leaking", "steady"]);
  assert.deepEqual(seen[1], ["zombie", "thread", "unjoined-thread", "close-wait", "several kinds"]);
  assert.ok(seen[2].length > 1 && seen[2].every((t) => /^(under \d|1 h)/.test(t)), seen[2].join());
  await close(page);
});

test("all of it can be done with keys", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  const at = () => focused(page);
  const visible = () => page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== "none");
  await page.keyboard.press("Tab");
  assert.match(await at(), /^all kinds/);
  await page.keyboard.press("ArrowRight");
  assert.match(await at(), /^zombie/);
  assert.deepEqual(await page.$$eval("[role=tab][aria-selected=true]", (t) => t.map((e) => e.textContent)), [await at()]);
  await page.keyboard.press("ArrowLeft");
  const visited = [];
  while (await at() !== "all objects") {
    assert.ok(await visible(), `the focus at ${await at()} cannot be seen`);
    visited.push(await at());
    assert.ok(visited.length < 80, `the graph is not reached: ${visited}`);
    await page.keyboard.press("Tab");
  }
  for (const wanted of ["search functions and files", "copy", "kind"]) assert.ok(visited.includes(wanted), `${wanted} is not reached: ${visited}`);
  await page.keyboard.press("ArrowDown");
  assert.equal(await at(), "main");
  await page.keyboard.press("ArrowDown");
  const first = await at();
  await page.keyboard.press("ArrowRight");
  assert.notEqual(await at(), first);
  await page.keyboard.press("Enter");
  const zoomed = await at();
  assert.ok(await page.getByRole("button", { name: "reset zoom" }).isVisible());
  await page.keyboard.press("ArrowUp");
  assert.equal(await at(), "main");
  await page.keyboard.press("Escape");
  assert.ok(await page.getByRole("button", { name: "reset zoom" }).isHidden());
  assert.ok((await boxes(page)).includes(first) && first !== zoomed);
  assert.ok(await visible());
  await close(page);
});

test("a stack is copied as text", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  await page.evaluate(() => { navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }; });
  await page.getByRole("button", { name: /^Thumbnailer::spawn/ }).click();
  await page.getByRole("button", { name: "copy", exact: true }).first().click();
  await page.getByRole("button", { name: "copied" }).waitFor();
  const text = await page.evaluate(() => window.copied);
  assert.match(text, /^zombie  Thumbnailer::spawn/);
  assert.match(text, /\n-> Thumbnailer::spawn.* \(\/srv\/orders\/src\/thumbnail.cc:57\) \[inlined\]\n   Thumbnailer::run\(\)/);
  await close(page);
});

test("frames below the prefix are linked to their lines", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  await page.getByRole("button", { name: /^Thumbnailer::spawn/ }).click();
  const links = await page.$$eval("#detail .stack a", (all) => all.map((a) => [a.textContent, a.href, a.rel]));
  assert.deepEqual(links[0], ["/srv/orders/src/thumbnail.cc:57", "https://git.example/orders/blob/v1/src/thumbnail.cc#L57", "noreferrer noopener"]);
  await close(page);
});

test("on paper it is light, and has the stacks of all sites that leak", async () => {
  const page = await open(browser, `${pages}leaks.html`, { scheme: "dark" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.notEqual(await background(), "rgb(255, 255, 255)");
  await print(page);
  assert.equal(await background(), "rgb(255, 255, 255)");
  const leaking = Number((await page.locator("h1").innerText()).match(/^\d+/)[0]);
  assert.equal(await page.locator(".printed article .verdict.leaking").count(), leaking);
  assert.ok(await page.locator(".printed article .stack .site").count() >= leaking - 1);
  for (const hidden of [".bar", "#detail", ".tools"]) assert.ok(await page.locator(hidden).isHidden(), `${hidden} is printed`);
  await page.evaluate(() => dispatchEvent(new Event("afterprint")));
  assert.equal(await page.locator(".printed > *").count(), 0);
  await close(page);
});

test("on paper there are suspects where nothing leaks", async () => {
  const page = await open(browser, `${pages}suspects.html`);
  await print(page);
  assert.notEqual(await page.locator(".printed article .verdict.suspect").count(), 0);
  await close(page);
});

test("what goroutines wait for is said, and where", async () => {
  const page = await open(browser, `${pages}goroutine.html`);
  const text = await page.locator("#detail").innerText();
  assert.match(text, /12 goroutines are blocked now \(chan send\) in\n[^]*main\.\(\*Cache\)\.refresh/);
  assert.match(text, /3 goroutines are blocked now \(sync\.Mutex\.Lock\) in/);
  await page.getByRole("button", { name: "stuck at" }).click();
  assert.equal((await boxes(page))[0], "objects by where they are stuck");
  await close(page);
});

test("a view says what it is of, and when there is none", async () => {
  const page = await open(browser, `${pages}past.html`);
  await page.getByRole("button", { name: "stuck at" }).click();
  await page.getByRole("tab", { name: /^zombie/ }).click();
  assert.deepEqual(await boxes(page), ["no thread or goroutine here that was looked at"]);
  await close(page);
});

test("of what ended nothing is said of now, and of what is older than tracing no age", async () => {
  const page = await open(browser, `${pages}past.html`);
  for (const group of await page.$$("details")) await group.evaluate((d) => { d.open = true; });
  await page.locator("#panel tr").filter({ hasText: "ended" }).first().getByRole("button").click();
  assert.match(await page.locator("#detail figcaption").innerText(), /^\d+ objects? at the end/);
  await page.getByRole("button", { name: "median age" }).click();
  assert.ok((await page.$$eval(".legend li", (all) => all.map((li) => li.textContent))).includes("age not known"));
  await close(page);
});

test("colours and searches leave the zoom as it is", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  await page.getByRole("treeitem", { name: /^Thumbnailer::run/ }).click();
  const zoomed = await boxes(page);
  await page.getByRole("button", { name: "kind", exact: true }).click();
  assert.deepEqual(await boxes(page), zoomed);
  await page.getByRole("searchbox").fill("thumbnail");
  await page.waitForFunction(() => / site/.test(document.querySelector("[role=status]").textContent));
  assert.deepEqual(await boxes(page), zoomed);
  assert.ok(await page.getByRole("button", { name: "reset zoom" }).isVisible());
  await close(page);
});

test("the focus is never lost", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  await page.getByRole("button", { name: /^Thumbnailer::spawn/ }).first().click();
  assert.match(await focused(page), /^zombie Thumbnailer::spawn/);
  await page.getByRole("treeitem", { name: /^Thumbnailer::run/ }).click();
  await page.getByRole("button", { name: "reset zoom" }).click();
  assert.equal(await focused(page), "all objects");
  await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.reject(new Error("denied")); document.execCommand = () => window.may; });
  for (const [may, said] of [[true, "copied"], [false, "could not copy"]]) {
    await page.evaluate((value) => { window.may = value; }, may);
    await page.locator("#detail .copy").click();
    await page.getByRole("button", { name: said, exact: true }).waitFor();
    assert.equal(await focused(page), said);
  }
  await close(page);
});

test("colours that mean something stay where the system has its own", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  await page.emulateMedia({ forcedColors: "active" });
  const style = (selector, what) => page.$$eval(selector, (all, what) => [...new Set(all.map((e) => getComputedStyle(e)[what]))], what);
  assert.ok((await style(".flame [role=treeitem]", "backgroundColor")).length > 1);
  assert.ok((await style(".swatch", "backgroundColor")).length > 1);
  assert.notDeepEqual(await style("[role=tab][aria-selected=false]", "borderBottomColor"), await style("[role=tab][aria-selected=true]", "borderBottomColor"));
  await close(page);
});

test("the focus can be seen on the fills of the graph, in the dark too", async () => {
  const page = await open(browser, `${pages}leaks.html`, { scheme: "dark" });
  const box = page.getByRole("treeitem").first();
  await box.focus();
  assert.equal(await box.evaluate((e) => getComputedStyle(e).outlineColor), "rgb(20, 23, 26)");
  await close(page);
});

test("a browser that is too old says so, and why", async () => {
  const page = await open(browser, `${pages}leaks.html`, { without: "DecompressionStream" });
  await page.getByText(/need JavaScript, in a browser of 2023 or later\. It could not be shown: .*DecompressionStream/).waitFor();
  await page.context().close();
});

test("without a script the verdict and the sites can be read", async () => {
  const page = await open(browser, `${pages}leaks.html`, { script: false, size: sizes[1] });
  assert.match(await page.locator("h1").innerText(), /sites leak in orders/);
  const site = page.locator("table .at").filter({ hasText: "thumbnail.cc:57" });
  assert.ok(await inFirstScreen(page, site));
  // Where there is no room for columns each row is a paragraph, of words that are whole.
  assert.equal(await page.locator("tbody tr").first().evaluate((e) => getComputedStyle(e).display), "flex");
  assert.match(await page.locator("td").nth(1).evaluate((e) => getComputedStyle(e, "::before").content), /outstanding/);
  assert.ok(await page.getByText("need JavaScript").isVisible());
  await close(page);
});
