// Opens every page of a directory in a real Chromium: `node check.mjs MODULES PAGES [SHOTS]`. MODULES
// holds playwright-core and axe-core; screenshots go to SHOTS. Ends with 1 and says what is wrong.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, pages, shots] = process.argv.slice(2).map((path) => resolve(path));
const load = createRequire(join(modules, "x.js"));
const { chromium } = load("playwright-core");
const axe = readFileSync(load.resolve("axe-core/axe.min.js"), "utf8");

const faults = [];
/** Counts who gets through. */
let visits = 0;
const server = createServer((_, response) => {
  visits += 1;
  response.end();
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const outside = `http://127.0.0.1:${server.address().port}/`;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

/** A page in a context of its own; what it asks for and complains about becomes a fault. */
async function open(name, what, options, prepare) {
  const url = pathToFileURL(join(pages, name)).href;
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const fault = (text) => faults.push(`${name}, ${what}: ${text}`);
  const expect = (claim, text) => claim || fault(text);
  const seen = { requests: [], complaints: [] };
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) {
      seen.requests.push(request.url());
    }
  });
  page.on("console", (message) => seen.complaints.push(message.text()));
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  await prepare?.(page);
  await page.goto(url);
  const close = async () => {
    for (const request of seen.requests) fault(`asks for ${request}`);
    for (const complaint of seen.complaints) fault(`complains: ${complaint}`);
    await context.close();
  };
  return { page, context, seen, expect, close };
}

const unfold = (page) =>
  page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));

/** The texts of the picture with too little contrast: axe does not judge them. */
const faint = (page) =>
  page.evaluate(() => {
    const light = (colour) => {
      const parts = colour.match(/\d+/g).slice(0, 3).map((part) => part / 255);
      const linear = parts.map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
      return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const paper = getComputedStyle(document.body).backgroundColor;
    const texts = [...document.querySelectorAll("svg text")];
    return texts.filter((text) => {
      const behind = text.closest("g") ? paper : getComputedStyle(document.querySelector(".box")).fill;
      const [dark, bright] = [getComputedStyle(text).fill, behind].map(light).sort((a, b) => a - b);
      return (bright + 0.05) / (dark + 0.05) < 4.5;
    }).map((text) => text.textContent);
  });

/** Each way to look at a page: nothing leaves its place, and axe finds nothing. */
async function look(name, colorScheme, width) {
  const options = { colorScheme, viewport: { width, height: 800 }, deviceScaleFactor: 1 };
  const view = await open(name, `${colorScheme}, ${width} px`, options);
  const { page, expect } = view;
  const shot = async (what) => {
    if (!shots) return;
    mkdirSync(shots, { recursive: true });
    const path = join(shots, `${name.replace(".html", "")}.${colorScheme}.${width}${what}.png`);
    await page.screenshot({ path, fullPage: true });
  };
  await shot("");
  const pale = await faint(page);
  expect(pale.length === 0, `too little contrast in the picture: ${pale}`);
  for (const state of ["folded", "unfolded"]) {
    if (state === "unfolded") await unfold(page);
    const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
    expect(wide <= width, `${state}, it is ${wide} px wide`);
    // What is folded is hidden from axe, and nothing is hidden once all is unfolded.
    if (state === "folded" && colorScheme === "dark") continue;
    const { violations } = await page.evaluate(`${axe}; axe.run()`);
    for (const one of violations) {
      expect(false, `${state}, axe: ${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`);
    }
  }
  await shot(".unfolded");
  const bare = await page.evaluate(() => getComputedStyle(document.body).margin === "0px");
  expect(bare, "the style does not apply");
  await view.close();
}

/** The button at a command puts that command on the clipboard. */
async function copy(name, what, prepare) {
  const view = await open(name, what, { permissions: ["clipboard-read", "clipboard-write"] }, prepare);
  const { page, context, expect } = view;
  await unfold(page);
  const commands = await page.locator("pre.command").allTextContents();
  const buttons = page.getByRole("button", { name: "Copy", exact: true });
  const complete = (await buttons.count()) === commands.length;
  expect(complete, "not every command has its button");
  if (!complete) commands.length = 0;
  // What the page cannot read, another page of the same browser can.
  const reader = await context.newPage();
  await reader.goto(pathToFileURL(join(pages, name)).href);
  for (const [index, command] of commands.entries()) {
    // Each command once: a page may have one at several findings.
    if (commands.indexOf(command) !== index) continue;
    const button = page.locator("pre.command + button").nth(index);
    await page.bringToFront();
    await button.click();
    // Until it says so, nothing is copied yet.
    await button.filter({ hasText: "Copied" }).waitFor({ timeout: 3000 });
    await reader.bringToFront();
    const copied = await reader.evaluate(() => navigator.clipboard.readText());
    expect(copied === command, `copied ${copied}, not ${command}`);
    await reader.evaluate(() => navigator.clipboard.writeText("nothing"));
  }
  await view.close();
  return new Set(commands).size;
}

/** Without scripts everything is there, nothing is dead, and a fold opens. */
async function withoutScripts(name) {
  const view = await open(name, "without scripts", { javaScriptEnabled: false });
  const { page, expect } = view;
  expect((await page.locator("button").count()) === 0, "there is a button");
  expect(await page.locator("h1").isVisible(), "there is no verdict");
  for (const fold of await page.locator("main > details").all()) {
    const inside = fold.locator(":scope > :not(summary)").first();
    expect(!(await inside.isVisible()), "a fold is open");
    await fold.locator("summary").first().click();
    expect(await inside.isVisible(), "a fold does not open");
  }
  await view.close();
}

/** On paper, folds are open and there are no buttons. */
async function print(name) {
  const view = await open(name, "on paper", { colorScheme: "dark" });
  const { page, expect } = view;
  await page.emulateMedia({ media: "print" });
  for (const button of await page.locator("button").all()) {
    expect(!(await button.isVisible()), "a button is printed");
  }
  const hidden = await page.evaluate(() =>
    [...document.querySelectorAll("details > :not(summary)")].some(
      (one) => !one.checkVisibility({ contentVisibilityAuto: true }) || one.offsetHeight === 0,
    ),
  );
  expect(!hidden, "a fold is closed");
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  expect(paper === "rgb(255, 255, 255)", `the paper is ${paper}`);
  const pdf = await page.pdf({ path: shots && join(shots, `${name.replace(".html", "")}.pdf`) });
  expect(pdf.subarray(0, 5).toString() === "%PDF-", "no PDF");
  await view.close();
}

/** The policy: what a page were to smuggle in neither runs nor loads nor paints. */
async function policy(name) {
  const view = await open(name, "policy", {});
  const { page, seen, expect } = view;
  const ran = await page.evaluate(async (outside) => {
    const script = document.createElement("script");
    script.textContent = "window.smuggled = true";
    const image = document.createElement("img");
    image.src = outside;
    const painted = document.createElement("p");
    painted.setAttribute("style", "position: fixed");
    const handler = document.createElement("p");
    handler.setAttribute("onclick", "window.smuggled = true");
    document.body.append(script, image, painted, handler);
    handler.click();
    await fetch(outside).catch(() => {});
    return Boolean(window.smuggled) || getComputedStyle(painted).position === "fixed";
  }, outside);
  expect(!ran, "something smuggled in runs or paints");
  expect(seen.complaints.length >= 5, `only ${seen.complaints.length} attempts are refused`);
  expect(visits === 0, `${visits} requests leave the page`);
  // Those that were refused.
  seen.complaints = [];
  seen.requests = [];
  await view.close();
}

try {
  const names = readdirSync(pages).filter((name) => name.endsWith(".html")).sort();
  let copied = 0;
  for (const name of names) {
    // Each colour and each width once: neither changes what the other does.
    for (const [colorScheme, width] of [["light", 360], ["dark", 1280]]) await look(name, colorScheme, width);
    copied += await copy(name, "copying");
    copied += await copy(name, "copying without a clipboard", (page) =>
      page.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined })),
    );
    await withoutScripts(name);
    await print(name);
    await policy(name);
  }
  if (copied === 0) faults.push("no command was copied");
  console.log(`${copied} commands copied`);
  for (const fault of faults) console.log(fault);
  if (faults.length === 0) console.log(`${names.length} pages are in order`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await browser.close();
  server.close();
}
