// Opens every page that `page.py` made, in a real Chromium: `node check.mjs MODULES PAGES [SHOTS]`.
// MODULES holds playwright-core and mermaid; screenshots go to SHOTS. NAME.json next to a page says
// which names its diagram has, and which foreign text it shows. Ends with 1 and says what is wrong.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, pages, shots] = process.argv.slice(2).map((path) => resolve(path));
const load = createRequire(join(modules, "x.js"));
const { chromium } = load("playwright-core");
const mermaid = readFileSync(join(modules, "mermaid/dist/mermaid.min.js"), "utf8");

const faults = [];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

/** What is on the page, before any diagram is drawn. */
const survey = () => {
  const body = document.querySelector(".markdown-body");
  const elements = [...body.querySelectorAll("*")];
  const found = [];
  const known = new Set(
    "h3 p ul li code pre strong details summary table thead tbody tr th td sub span br".split(" "),
  );
  for (const one of elements) {
    const name = one.localName;
    if (!known.has(name)) found.push(`there is a <${name}>: ${one.outerHTML.slice(0, 80)}`);
    const allowed = name === "pre" ? ["sh", "mermaid"].includes(one.lang) : false;
    if (one.attributes.length > 0 && !allowed) found.push(`attributes: ${one.outerHTML.slice(0, 80)}`);
  }
  // What GitHub makes of a text once it is HTML: mentions, references, emoji, formulas.
  body.normalize();
  const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  const made = [
    /(^|\W)@[a-z0-9]/i,
    /(^|\W)GH-\d/i,
    /(^|[\w\s([{,:;])#\d/,
    /:(100|1234|[a-z0-9_+-]*[a-z+][a-z0-9_+-]*):/i,
    /[^]\$|\$[^]/,
    /\bhttps?:\/\//i,
    /\bwww\./i,
  ];
  while (walker.nextNode()) {
    const text = walker.currentNode.data;
    if (walker.currentNode.parentElement.closest("code, pre")) continue;
    for (const one of made) if (one.test(text)) found.push(`GitHub makes something of: ${text}`);
  }
  for (const one of body.querySelectorAll("details")) {
    if (one.firstElementChild?.localName !== "summary") found.push("a fold has no title");
    if (one.children.length < 2) found.push(`nothing is in the fold ${one.textContent}`);
    const loose = [...one.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
    for (const node of loose) found.push(`raw text in a fold: ${node.data}`);
  }
  for (const table of body.querySelectorAll("table")) {
    const cells = [...table.rows].map((row) => row.cells.length);
    if (table.rows.length < 2 || new Set(cells).size !== 1) found.push(`a table has rows of ${cells}`);
  }
  const plain = body.cloneNode(true);
  plain.querySelectorAll("pre[lang=mermaid]").forEach((one) => one.remove());
  const spaced = (text) => text.replaceAll("`", "").replace(/\s+/g, " ").toLowerCase();
  const text = spaced(plain.textContent);
  plain.querySelectorAll("code, pre").forEach((one) => one.remove());
  return {
    found,
    text,
    prose: plain.textContent,
    // A sign that is kept from meaning something has a span, and a pair of backticks is code.
    shape: elements.map((one) => one.localName).filter((name) => !["span", "code", "br"].includes(name)),
    tables: body.querySelectorAll("table").length,
    folds: body.querySelectorAll("details").length,
    sources: [...body.querySelectorAll("pre[lang=mermaid]")].map((one) => one.textContent),
    diagrams: body.querySelectorAll("pre[lang=mermaid]").length,
  };
};

/** Draws diagrams; what each of them has. */
const draw = async (sources) => {
  globalThis.mermaid.initialize({ startOnLoad: false, securityLevel: "strict" });
  const drawn = [];
  for (const [index, source] of sources.entries()) {
    const place = document.createElement("div");
    try {
      place.innerHTML = (await globalThis.mermaid.render(`diagram${index}`, source)).svg;
    } catch (error) {
      drawn.push({ error: String(error) });
      continue;
    }
    document.body.replaceChildren(place);
    const texts = (what) => [...place.querySelectorAll(what)].map((one) => one.textContent.trim());
    drawn.push({
      svg: place.innerHTML,
      nodes: texts(".nodes .node"),
      edges: texts("g.edgeLabel"),
      lines: place.querySelectorAll(".edgePaths path, path.flowchart-link").length,
      foreign: [...place.querySelectorAll("a, img, image, script, iframe, strong, em, h1, h2, ul, ol, li")].map(
        (one) => one.outerHTML,
      ),
      failed: place.querySelectorAll(".error-icon, .error-text").length,
    });
  }
  return drawn;
};

const spaced = (text) => text.replace(/\s+/g, " ").trim();
const written = (text) => spaced(text.replaceAll("`", "")).toLowerCase();
const same = (one, other) => JSON.stringify([...one].sort()) === JSON.stringify([...other].sort());
const count = (text, part) => text.split(part).length - 1;
/** What every page asks for and complains about becomes a fault. */
let [fault, url] = [(text) => faults.push(text), ""];
const open = async () => {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) fault(`asks for ${request.url()}`);
  });
  page.on("console", (message) => fault(`complains: ${message.text()}`));
  page.on("pageerror", (error) => fault(`complains: ${error}`));
  return page;
};
const [page, easel] = [await open(), await open()];
await easel.addScriptTag({ content: mermaid });
/** The shape of a page whose foreign text is one word, and how often that is on it. */
const model = {};

const names = readdirSync(pages).filter((name) => name.endsWith(".md")).map((name) => name.slice(0, -3));
// The model first.
names.sort((one, other) => (other === "plain") - (one === "plain"));
for (const name of names) {
  const markdown = readFileSync(join(pages, `${name}.md`), "utf8");
  const expected = JSON.parse(readFileSync(join(pages, `${name}.json`), "utf8"));
  for (const kind of ["", ".file"]) {
    fault = (text) => faults.push(`${name}${kind}: ${text}`);
    url = pathToFileURL(join(pages, `${name}${kind}.html`)).href;
    await page.goto(url);
    const seen = await page.evaluate(survey);
    seen.found.forEach(fault);
    for (const [what, found, written] of [
      ["tables", seen.tables, count(markdown, "\n|---|---|---|---|\n")],
      ["folds", seen.folds, count(markdown, "\n<details>")],
      ["diagrams", seen.diagrams, count(markdown, "\n```mermaid\n")],
    ]) {
      if (found !== written) fault(`${found} ${what}, not ${written}`);
    }
    if (expected.foreign === null) {
      const raw = /\*\*|`|<\/?[a-z]|\|---|^\s*[-+#>] |\]\(|\\[^\w]/m.exec(seen.prose);
      if (raw) fault(`raw Markdown: ${seen.prose.slice(Math.max(0, raw.index - 40), raw.index + 40)}`);
    } else {
      // Where a text has one line, a line end in it is written as what it is.
      const forms = new Set([expected.foreign, expected.foreign.replaceAll("\n", "\\u000a")].map(written));
      const often = [...forms].reduce((sum, form) => sum + count(seen.text, form), 0);
      model[kind] ??= { shape: seen.shape, often };
      if (JSON.stringify(seen.shape) !== JSON.stringify(model[kind].shape)) {
        const at = seen.shape.findIndex((one, index) => one !== model[kind].shape[index]);
        fault(`another shape, from element ${at}: ${seen.shape.slice(at, at + 6)}, not ${model[kind].shape.slice(at, at + 6)}`);
      }
      if (often !== model[kind].often) fault(`the text is there ${often} times, not ${model[kind].often}`);
    }
    if (kind === "") {
      const drawn = await easel.evaluate(draw, seen.sources);
      for (const one of drawn) {
        if (one.error) {
          fault(`the diagram: ${one.error}`);
          continue;
        }
        const nodes = one.nodes.map(spaced);
        const edges = one.edges.map(spaced);
        if (!same(nodes, expected.nodes.map(spaced))) fault(`the diagram has ${JSON.stringify(nodes)}, not ${JSON.stringify(expected.nodes)}`);
        if (!same(edges, expected.edges.map(spaced))) fault(`its arrows say ${JSON.stringify(edges)}, not ${JSON.stringify(expected.edges)}`);
        if (one.lines !== expected.edges.length) fault(`${one.lines} arrows, not ${expected.edges.length}`);
        for (const markup of one.foreign) fault(`the diagram has ${markup}`);
        if (one.failed > 0) fault("the diagram shows an error");
      }
      await page.evaluate((drawings) => {
        for (const [index, block] of [...document.querySelectorAll("pre[lang=mermaid]")].entries()) {
          block.innerHTML = drawings[index] ?? "";
        }
      }, drawn.map((one) => one.svg));
      for (const width of [1280, 360]) {
        await page.setViewportSize({ width, height: 800 });
        for (const open of [false, true]) {
          await page.evaluate((open) => document.querySelectorAll("details").forEach((one) => (one.open = open)), open);
          const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
          if (wide > width) fault(`at ${width} px it is ${wide} px wide`);
          if (!shots || (expected.foreign !== null && name !== "plain")) continue;
          mkdirSync(shots, { recursive: true });
          const path = join(shots, `${name}.${width}${open ? ".unfolded" : ""}.png`);
          await page.screenshot({ path, fullPage: true });
        }
      }
    }
  }
}
await browser.close();
if (faults.length > 0) {
  console.log([...new Set(faults)].join("\n"));
  process.exitCode = 1;
} else {
  console.log(`${names.length} reports are in order`);
}
