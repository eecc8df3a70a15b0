// Programs are traced, as a user would, and their pages opened: the demo, and services with
// the leaks of incidents. The culprit's file and line are in the first screen.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { boxes, close, inFirstScreen, launch, open, schemes, sizes, update, violations } from "./browser.js";

const at = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const directory = mkdtempSync(`${tmpdir()}/leaktrace-page-`);
const file = `${directory}/demo.html`;
let browser;

const incidents = [
  { program: "analytics", source: "analytics.cc", kind: "thread", culprit: "acme::AnalyticsClient::send" },
  { program: "deadlines", source: "deadlines.c", kind: "unjoined-thread", culprit: "with_deadline" },
  { program: "imaging", source: "imaging.c", kind: "zombie", culprit: "imaging_convert" },
  { program: "policies", source: "policies.c", kind: "close-wait", culprit: "fetch_policy" },
];

const leaktrace = (output, ...args) => promisify(execFile)(at("build/leaktrace"), ["run", "--format", "html", "--output", output, ...args]);

async function replay({ program }) {
  const service = spawn(at(`build/programs/incidents/${program}`), ["600"], { stdio: "ignore" });
  try {
    await leaktrace(`${directory}/${program}.html`, "--pid", String(service.pid), "--duration", "6s", "--min-age", "1s");
  } finally {
    service.kill("SIGKILL");
  }
}

before(async () => {
  browser = await launch();
  await Promise.all([
    // For longer than it is traced: of what has ended no limit is told.
    leaktrace(file, "--duration", "15s", "--min-age", "3s", "--", at("build/programs/demo"), "20"),
    ...incidents.map(replay),
  ]);
});
after(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true });
});

for (const { program, source, kind, culprit } of incidents) {
  for (const size of sizes) {
    test(`${program}: who is to blame is in the first screen at ${size.width}`, async () => {
      const page = await open(browser, `${directory}/${program}.html`, { size });
      const line = readFileSync(at(`tests/programs/incidents/${source}`), "utf8").split("\n").findIndex((l) => /(to blame \*\/|; \/\/ to blame)$/.test(l)) + 1;
      const first = page.locator("#panel .list tbody tr").first();
      const text = (await first.innerText()).replace(/\s+/g, " ");
      assert.ok(text.includes(culprit) && text.includes(`${source}:${line}`) && text.includes(kind), `the first site is ${text}`);
      assert.ok(await inFirstScreen(page, first));
      await close(page);
    });
  }
}

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
      if (update && size.width > 1000 && scheme === "light") await page.screenshot({ path: at("export/page/screenshot.png") });
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
