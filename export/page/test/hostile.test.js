// Nothing of the traced process runs in the page, and nothing of it can hide.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { boxes, close, launch, open, pages, print } from "./browser.js";

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

// Control characters, and those that show nothing or turn the text around them.
const unsafe = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\ufffd]";

async function check(page) {
  const found = await page.evaluate((pattern) => {
    const bad = new RegExp(pattern);
    const texts = [document.title, document.body.innerText];
    for (const e of document.querySelectorAll("body *")) for (const a of e.attributes) texts.push(a.value);
    return {
      unsafe: texts.filter((t) => bad.test(t)).map((t) => JSON.stringify(t.slice(0, 200))),
      pwned: window.pwned,
      foreign: [...document.querySelectorAll("img, iframe, object, embed, base, form, link, b > b")].map((e) => e.outerHTML),
      scripts: document.scripts.length,
      longest: Math.max(...[...document.querySelectorAll("body *")].filter((e) => e.children.length === 0 && e.tagName !== "SCRIPT").map((e) => e.textContent.length)),
      links: [...document.links].map((a) => a.href).filter((h) => !h.startsWith("https://git.example/orders/blob/v1/")),
    };
  }, unsafe);
  assert.deepEqual({ ...found, longest: 0 }, { unsafe: [], pwned: undefined, foreign: [], scripts: 2, longest: 0, links: [] });
  assert.ok(found.longest < 2000, `a text of ${found.longest} characters`);
}

for (const name of ["evil", "evildiff", "hostile"]) {
  test(`${name}: hostile names are shown, escaped, and do nothing`, async () => {
    const page = await open(browser, `${pages}${name}.html`);
    await check(page);
    for (const group of await page.$$("details")) await group.evaluate((d) => { d.open = true; });
    for (const site of await page.$$("#panel th.name button")) {
      await site.evaluate((b) => b.click());
      await check(page);
    }
    for (const button of await page.$$(".choice button:not([disabled]), [role=tab]")) {
      await button.evaluate((b) => b.click());
      const boxes = await page.locator(".flame [role=treeitem]").count();
      for (let i = 0; i < Math.min(boxes, 4); i++) await page.locator(".flame [role=treeitem]").nth(i).hover();
      await check(page);
    }
    await print(page);
    await check(page);
    await close(page);
  });
}

test("the names can be read, and searched for as they are shown", async () => {
  const page = await open(browser, `${pages}evil.html`);
  const text = await page.locator("body").innerText();
  for (const shown of ["</script><script>window.pwned=1</script>", "\\x1b[2J\\x1b]0;pwned\\x07", "\\xe2\\x80\\xaegnp.exe", "{{.Script}}"]) {
    assert.ok(text.includes(shown), `${shown} is not shown`);
  }
  await page.getByRole("searchbox").fill("</SCRIPT>");
  await page.waitForFunction(() => / site/.test(document.querySelector("[role=status]").textContent));
  assert.ok((await boxes(page)).length > 0);
  assert.notEqual(await page.locator(".flame .match").count(), 0);
  await check(page);
  await close(page);
});

test("what a page does not bring along, its policy refuses", async () => {
  const page = await open(browser, `${pages}leaks.html`);
  await page.evaluate(() => {
    document.body.append(Object.assign(document.createElement("script"), { textContent: "window.pwned = 1" }));
    document.body.append(Object.assign(document.createElement("img"), { src: "https://tracker.example/x.png" }));
    document.body.insertAdjacentHTML("beforeend", "<p onclick='window.pwned = 2' style='color: red' id='p'>x</p>");
    document.getElementById("p").click();
  });
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.getElementById("p")).color), "rgb(255, 0, 0)");
  assert.ok(page.problems.length >= 4 && page.problems.every((p) => /Content Security Policy|tracker/.test(p)), page.problems.join("\n"));
  await page.context().close();
});
