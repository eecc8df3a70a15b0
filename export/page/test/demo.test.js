// The demo is traced, as a user would, and its page opened.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { boxes, close, inFirstScreen, launch, open, schemes, sizes, update, violations } from "./browser.js";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const directory = mkdtempSync(`${tmpdir()}/leaktrace-page-`);
const file = `${directory}/demo.html`;
let browser;

before(async () => {
  browser = await launch();
  await promisify(execFile)(at("../../../build/leaktrace"), [
    "run", "--duration", "15s", "--min-age", "3s", "--format", "html", "--output", file, "--", at("../../../build/programs/demo"), "16",
  ]);
});
after(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true });
});

const culprits = ["start_analytics_pool", "run_healthcheck", "flush_metrics_async", "fetch_config"];

for (const size of sizes) {
  for (const scheme of schemes) {
    test(`the demo's culprits are in the first screen at ${size.width} in ${scheme}`, async () => {
      const page = await open(browser, file, { size, scheme });
      assert.match(await page.locator("h1").innerText(), /^4 sites leak in demo \(pid \d+\), watched for 1\ds$/);
      assert.match(await page.locator("p.limit").innerText(), / is reached in .* at this rate$/);
      for (const culprit of culprits) {
        const site = page.locator("#panel .list tbody th.name").filter({ hasText: culprit });
        assert.match(await site.innerText(), /demo\.c:\d+/);
        assert.ok(await inFirstScreen(page, site), `${culprit} is not in the first screen`);
      }
      assert.deepEqual(await violations(page), []);
      if (update && size.width > 1000 && scheme === "light") await page.screenshot({ path: at("../screenshot.png") });
      await close(page);
    });
  }
}

test("the demo's graph leads from main to each culprit", async () => {
  const page = await open(browser, file);
  const shown = await boxes(page);
  for (const name of ["main", ...culprits, "start_worker_pool"]) assert.ok(shown.includes(name), `${name} is missing: ${shown}`);
  await page.getByRole("treeitem", { name: /^fetch_config/ }).click();
  assert.match(await page.locator("#detail").innerText(), /must|fd \d+ of demo/);
  await page.getByRole("button", { name: "stuck at" }).click();
  assert.ok((await boxes(page)).includes("await_work"));
  await close(page);
});
