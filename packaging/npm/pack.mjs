// Makes the npm packages: see pack.sh. Name, version and texts come from Cargo.toml.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');

// What a launcher of this version can install; each of these must be published before it.
const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64'];

const TARGETS = {
  'x86_64-unknown-linux-musl': 'linux-x64',
  'x86_64-unknown-linux-gnu': 'linux-x64',
  'aarch64-unknown-linux-musl': 'linux-arm64',
  'aarch64-unknown-linux-gnu': 'linux-arm64',
  'x86_64-apple-darwin': 'darwin-x64',
  'aarch64-apple-darwin': 'darwin-arm64',
  'x86_64-pc-windows-msvc': 'win32-x64',
  'x86_64-pc-windows-gnu': 'win32-x64',
};

class Problem extends Error {}

/** The members of Cargo.toml's [package] that hold a string or a list of strings in one line. */
function cargoPackage() {
  const text = fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  const section = /^\[package\]\n([^]*?)(?=^\[|$(?![^]))/m.exec(text)?.[1] ?? '';
  const members = {};
  for (const [, key, value] of section.matchAll(/^([a-z-]+) = (".*"|\[.*\])$/gm)) {
    members[key] = JSON.parse(value);
  }
  for (const key of ['name', 'version', 'description', 'license', 'keywords']) {
    if (members[key] === undefined) {
      throw new Problem(`Cargo.toml has no ${key} in one line of [package]`);
    }
  }
  return members;
}

const cargo = cargoPackage();

/** What all packages have. `repository` must be there for npm to accept provenance. */
function manifest(suffix, description) {
  return {
    name: cargo.name + suffix,
    version: cargo.version,
    description,
    license: cargo.license,
    ...(cargo.homepage && { homepage: cargo.homepage }),
    ...(cargo.repository && { repository: { type: 'git', url: `git+${cargo.repository}.git` } }),
  };
}

function launcher(dir) {
  copy(path.join(here, 'convex-doctor.cjs'), path.join(dir, 'bin/convex-doctor.cjs'), 0o755);
  const readme = fs
    .readFileSync(path.join(here, 'README.md'), 'utf8')
    .replaceAll('@NAME@', cargo.name)
    .replaceAll('@PLATFORMS@', PLATFORMS.map((one) => one.replace('-', ' ')).join(', '));
  write(path.join(dir, 'README.md'), readme);
  return {
    ...manifest('', cargo.description),
    keywords: cargo.keywords,
    bin: { 'convex-doctor': 'bin/convex-doctor.cjs', [cargo.name]: 'bin/convex-doctor.cjs' },
    engines: { node: '>=18' },
    optionalDependencies: Object.fromEntries(
      PLATFORMS.map((one) => [`${cargo.name}-${one}`, cargo.version]),
    ),
  };
}

function platformPackage(dir, platform, binary) {
  const [system, cpu] = platform.split('-');
  const file = system === 'win32' ? 'convex-doctor.exe' : 'convex-doctor';
  // What passed through an archive of CI is executable no longer.
  copy(binary, path.join(dir, 'bin', file), 0o755);
  write(
    path.join(dir, 'README.md'),
    `# convex-doctor for ${system} ${cpu}\n\nThis is a part of \`${cargo.name}\`. Install that package.\n`,
  );
  return {
    ...manifest(`-${platform}`, `The program of ${cargo.name} for ${system} ${cpu}`),
    os: [system],
    cpu: [cpu],
    preferUnplugged: true,
  };
}

function docs(dir, pages) {
  if (!fs.existsSync(path.join(pages, 'index.html'))) {
    throw new Problem(`${pages} has no index.html`);
  }
  fs.cpSync(pages, dir, { recursive: true, dereference: true });
  return manifest('-docs', `The documentation of ${cargo.name}, as HTML pages`);
}

/** Which platform a program is for, by its first bytes, and whether it needs a loader. */
function inspect(binary) {
  const bytes = fs.readFileSync(binary);
  const cpus = { 0x3e: 'x64', 0xb7: 'arm64', 0x01000007: 'x64', 0x0100000c: 'arm64', 0x8664: 'x64' };
  const magic = bytes.length < 64 ? 0 : bytes.readUInt32BE(0);
  if (magic === 0x7f454c46) {
    const [at, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
    const PT_INTERP = 3;
    const types = Array.from({ length: count }, (_, i) => bytes.readUInt32LE(at + i * size));
    return { platform: `linux-${cpus[bytes.readUInt16LE(18)]}`, dynamic: types.includes(PT_INTERP) };
  }
  if (magic === 0xcffaedfe) {
    return { platform: `darwin-${cpus[bytes.readUInt32LE(4)]}` };
  }
  const header = magic >>> 16 === 0x4d5a ? bytes.readUInt32LE(60) : bytes.length;
  if (header + 6 <= bytes.length && bytes.readUInt32BE(header) === 0x50450000) {
    return { platform: `win32-${cpus[bytes.readUInt16LE(header + 4)]}` };
  }
  throw new Problem(`${binary} is not a program for Linux, macOS or Windows`);
}

function chooseBinary(given) {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target');
  const candidates = given ? [given] : ['dist', 'release'].map((one) => path.join(target, one, 'convex-doctor'));
  const found = candidates.find((one) => fs.existsSync(one));
  if (found === undefined) {
    throw new Problem(`there is no ${candidates.join(' and no ')}: build it first, or name a program`);
  }
  return found;
}

function choosePlatform(binary, target) {
  const is = inspect(binary);
  const platform = target ? TARGETS[target] : is.platform;
  if (platform === undefined) {
    throw new Problem(`there is no package for the target ${target}`);
  }
  if (is.platform !== platform) {
    throw new Problem(`${binary} is for ${is.platform}, not for ${platform}`);
  }
  if (target?.endsWith('-musl') && is.dynamic) {
    throw new Problem(`${binary} is linked dynamically: it runs on some distributions only`);
  }
  if (!PLATFORMS.includes(platform)) {
    throw new Problem(`the launcher does not know the platform ${platform}`);
  }
  return platform;
}

function write(file, text) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}

function copy(from, to, mode) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.copyFileSync(from, to);
  fs.chmodSync(to, mode);
}

/** npm gives all files one date, so the same files make the same tarball. */
function pack(out, fill) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'convex-doctor-npm-'));
  try {
    const members = fill(dir);
    write(path.join(dir, 'package.json'), `${JSON.stringify(members, undefined, 2)}\n`);
    for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) {
      copy(path.join(root, licence), path.join(dir, licence), 0o644);
    }
    fs.mkdirSync(out, { recursive: true });
    const npm = spawnSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', path.resolve(out)], {
      cwd: dir,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    });
    if (npm.status !== 0) {
      throw new Problem(`npm pack failed: ${npm.error?.message ?? npm.stderr}`);
    }
    console.log(path.join(out, npm.stdout.trim()));
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

function main() {
  const { values, positionals } = parseArgs({
    options: { target: { type: 'string' }, docs: { type: 'string' }, out: { type: 'string' } },
    allowPositionals: true,
  });
  const out = values.out ?? path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'npm');
  if (values.docs !== undefined) {
    pack(out, (dir) => docs(dir, values.docs));
    return;
  }
  const binary = chooseBinary(positionals[0]);
  const platform = choosePlatform(binary, values.target);
  pack(out, launcher);
  pack(out, (dir) => platformPackage(dir, platform, binary));
}

try {
  main();
} catch (problem) {
  if (!(problem instanceof Problem) && !problem.code?.startsWith('ERR_PARSE_ARGS')) {
    throw problem;
  }
  console.error(`error: ${problem.message}`);
  process.exitCode = 1;
}
