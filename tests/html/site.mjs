// Opens the published pages in a real Chromium: `node site.mjs MODULES PAGES`. MODULES holds
// playwright-core and axe-core. Ends with 1 and says what is wrong.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, pages] = process.argv.slice(2).map((path) => resolve(path));
const load = createRequire(join(modules, "x.js"));
const { chromium } = load("playwright-core");
const axe = readFileSync(load.resolve("axe-core/axe.min.js"), "utf8");
// One of each kind.
const names = ["index", "key-foreign", "bad-admin-key", "messages", "findings", "in-ci", "schema", "facts"];

const faults = [];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
for (const [colorScheme, width] of [["light", 360], ["dark", 1280]]) {
  // axe runs in the page: the policy of the page is for everybody else.
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 }, bypassCSP: true });
  const page = await context.newPage();
  page.on("request", (request) => {
    if (!request.url().startsWith("file:")) faults.push(`asks for ${request.url()}`);
  });
  page.on("console", (message) => faults.push(`complains: ${message.text()}`));
  for (const name of names) {
    const fault = (text) => faults.push(`${name}, ${colorScheme}, ${width} px: ${text}`);
    await page.goto(pathToFileURL(join(pages, `${name}.html`)).href);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) fault(`${wide} px too wide`);
    await page.addScriptTag({ content: axe });
    const { violations } = await page.evaluate(() => window.axe.run({ preload: false }));
    for (const one of violations) fault(`${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
  }
  await context.close();
}
// The policy lets the style in: without it, the text would have a serif.
const page = await browser.newPage();
page.on("console", (message) => faults.push(`complains: ${message.text()}`));
await page.goto(pathToFileURL(join(pages, "index.html")).href);
const font = await page.evaluate(() => getComputedStyle(document.body).fontFamily);
if (!font.includes("system-ui")) faults.push(`the style is not applied: ${font}`);
await browser.close();
for (const fault of faults) console.error(fault);
console.log(`${names.length} pages, ${faults.length} faults`);
process.exit(faults.length > 0 ? 1 : 0);
