// Tests the npm packages as users meet them: packs BINARY, serves the tarballs from a registry on this machine, installs
// them with npm, pnpm, yarn (PnP) and bun on Node 18 to 24, and types keys at a terminal.
//
//   node packaging/npm/test/run.mjs BINARY [FILTER]
//
// Each package manager and each Node is tried once; ALL=1 tries each manager on each Node.
// MEASURE=1 measures the start. Linux only. Needs python3; the tools come from npm's registry, into .ci/cache.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { manifestOf, startRegistry } from './registry.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../../..');
const cache = path.join(root, '.ci/cache/npm-packaging');
const arch = process.arch;

const TOOLS = {
  npm: '10.9.9',
  pnpm: '10.34.8',
  yarn: 'npm:@yarnpkg/cli-dist@4.18.1',
  bun: `npm:@oven/bun-linux-${arch === 'arm64' ? 'aarch64' : arch}@1.4.5`,
  node18: `npm:node-linux-${arch}@18.20.8`,
  node20: `npm:node-linux-${arch}@20.20.2`,
  node22: `npm:node-linux-${arch}@22.23.5`,
  node24: `npm:node-linux-${arch}@24.22.3`,
};
const NODES = [18, 20, 22, 24];
const [binary, filter = ''] = process.argv.slice(2);

const cargo = fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
const member = (key) => new RegExp(`^${key} = "(.*)"$`, 'm').exec(cargo)[1];
const NAME = member('name');
const VERSION = member('version');
const OWN = `${NAME}-linux-${arch}`;
const CTRL_C = '\x03';
const CTRL_Z = '\x1a';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'npm-test-'));
const program = path.join(here, 'program.py');
let registry;

// ---- What the tests are made of

function installTools() {
  const wanted = `${JSON.stringify({ private: true, dependencies: TOOLS }, undefined, 2)}\n`;
  const file = path.join(cache, 'package.json');
  const done = path.join(cache, 'done');
  if (fs.existsSync(done) && fs.readFileSync(done, 'utf8') === wanted) {
    return;
  }
  fs.mkdirSync(cache, { recursive: true });
  fs.writeFileSync(file, wanted);
  const npm = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], {
    cwd: cache,
    stdio: 'inherit',
  });
  assert.equal(npm.status, 0, 'the tools could not be installed');
  fs.writeFileSync(done, wanted);
}

const tool = (name, file) => path.join(cache, 'node_modules', name, file);
const nodeOf = (version) => tool(`node${version}`, 'bin/node');

/** A home of its own for each test, in which nothing is configured, and the one Node first in PATH. */
function environment(node, dir) {
  const bin = path.join(dir, 'path');
  fs.mkdirSync(bin, { recursive: true });
  const shims = {
    node: nodeOf(node),
    npm: tool('npm', 'bin/npm-cli.js'),
    npx: tool('npm', 'bin/npx-cli.js'),
    bun: tool('bun', 'bin/bun'),
    bunx: tool('bun', 'bin/bun'),
  };
  for (const [name, target] of Object.entries(shims)) {
    fs.rmSync(path.join(bin, name), { force: true });
    fs.symlinkSync(target, path.join(bin, name));
  }
  const own = `${registry.url}${path.basename(dir)}/`;
  return {
    PATH: `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: dir,
    TERM: 'xterm',
    LANG: 'C.UTF-8',
    npm_config_registry: own,
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
    BUN_CONFIG_REGISTRY: own,
    YARN_NPM_REGISTRY_SERVER: own,
    YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
    YARN_ENABLE_TELEMETRY: '0',
    YARN_ENABLE_GLOBAL_CACHE: '0',
    // What the registry here serves was never published.
    YARN_NPM_MINIMAL_AGE_GATE: '0',
  };
}

/** An empty project, and what to run things in it with. */
function project(node, manager = 'npm') {
  const dir = fs.mkdtempSync(path.join(temporary, `${manager}-${node}-`));
  const cwd = path.join(dir, 'project');
  fs.mkdirSync(cwd);
  fs.writeFileSync(path.join(cwd, 'package.json'), '{"name":"app","version":"1.0.0","private":true}\n');
  if (manager === 'yarn') {
    fs.writeFileSync(path.join(cwd, 'yarn.lock'), '');
  }
  return { cwd, env: environment(node, dir), node: nodeOf(node) };
}

function run(argv, { cwd, env }, { input = '', expect } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { cwd, env });
    const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
    const result = { stdout: '', stderr: '' };
    child.stdout.on('data', (data) => (result.stdout += data));
    child.stderr.on('data', (data) => (result.stderr += data));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      Object.assign(result, { code, signal });
      if (expect !== undefined && code !== expect) {
        const said = `${result.stdout}\n${result.stderr}`;
        reject(new Error(`${argv.join(' ')}: ${code ?? signal} instead of ${expect}\n${said}`));
      }
      resolve(result);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

async function terminal(argv, { cwd, env }, steps) {
  const script = JSON.stringify({ argv, cwd, env, steps });
  const person = ['python3', path.join(here, 'terminal.py')];
  const { stdout } = await run(person, { cwd: here, env: process.env }, { input: script, expect: 0 });
  const result = JSON.parse(stdout);
  assert.equal(result.missing, null, `did not come: ${JSON.stringify(result.missing)} in\n${result.output}`);
  return result;
}

/** How each manager installs the package, and how it starts a command of it. */
const MANAGERS = {
  npm: { add: ['npm', 'install', NAME], exec: ['npx'], once: ['npx', '--yes'] },
  pnpm: { add: ['@pnpm', 'add', NAME], exec: ['@pnpm', 'exec'], once: ['@pnpm', 'dlx'] },
  yarn: { add: ['@yarn', 'add', NAME], exec: ['@yarn', 'exec'], once: ['@yarn', 'dlx', '-q'] },
  bun: { add: ['bun', 'add', NAME], exec: ['bun', 'x', '--no-install'], once: ['bun', 'x'] },
};

function command(words, { node }) {
  const own = { '@pnpm': [node, tool('pnpm', 'bin/pnpm.cjs')], '@yarn': [node, tool('yarn', 'bin/yarn.js')] };
  return words.flatMap((word) => own[word] ?? [word]);
}

async function installed(node, manager = 'npm') {
  const at = project(node, manager);
  await run(command(MANAGERS[manager].add, at), at, { expect: 0 });
  const taken = registry.taken(path.basename(at.env.HOME));
  assert.deepEqual(taken, [NAME, OWN], 'the packages of other platforms are not downloaded');
  return at;
}

/** A project in which the program of the platform's package is program.py. */
async function withProgram(node) {
  const at = await installed(node);
  const file = path.join(at.cwd, 'node_modules', OWN, 'bin/convex-doctor');
  fs.rmSync(file);
  fs.copyFileSync(program, file);
  return { ...at, file };
}

const launcher = (at) => path.join(at.cwd, 'node_modules', '.bin', 'convex-doctor');

/** The ways in which the launcher can start the program on a Node: what to put before it. */
function forms(node, at) {
  const preload = path.join(at.env.HOME, 'no-execve.cjs');
  fs.writeFileSync(preload, 'delete process.execve;\n');
  const spawned = { name: 'spawn', argv: [at.node, '--require', preload, launcher(at)] };
  return node < 22 ? [spawned] : [{ name: 'execve', argv: [launcher(at)] }, spawned];
}

const tests = [];
const test = (name, body) => tests.push({ name, body });

// ---- Packages

function programFor(platform) {
  const header = Buffer.alloc(64);
  const [system, cpu] = platform.split('-');
  if (system === 'linux') {
    header.write('\x7fELF', 'latin1');
    header.writeUInt16LE(cpu === 'x64' ? 0x3e : 0xb7, 18);
  } else if (system === 'darwin') {
    header.writeUInt32LE(0xfeedfacf);
    header.writeUInt32LE(cpu === 'x64' ? 0x01000007 : 0x0100000c, 4);
  } else {
    header.write('MZ');
    header.writeUInt32LE(32, 60);
    header.write('PE', 32);
    header.writeUInt16LE(0x8664, 36);
  }
  const file = path.join(temporary, `program-${platform}`);
  // As an archive leaves it: not executable.
  fs.writeFileSync(file, header, { mode: 0o644 });
  return file;
}

const OTHERS = {
  'linux-x64': 'x86_64-unknown-linux-musl',
  'linux-arm64': 'aarch64-unknown-linux-musl',
  'darwin-x64': 'x86_64-apple-darwin',
  'darwin-arm64': 'aarch64-apple-darwin',
  'win32-x64': 'x86_64-pc-windows-msvc',
};
const packages = path.join(temporary, 'packages');

function pack(...args) {
  return spawnSync(path.join(root, 'packaging/npm/pack.sh'), args, { encoding: 'utf8' });
}

/** The program without what a debugger wants, which is most of a debug build. */
function small() {
  const file = path.join(temporary, 'small');
  return spawnSync('strip', ['-o', file, binary]).status === 0 ? file : binary;
}

function packAll() {
  for (const [platform, target] of Object.entries(OTHERS)) {
    const own = platform === `linux-${arch}`;
    const args = own ? [small()] : ['--target', target, programFor(platform)];
    const done = pack('--out', packages, ...args);
    assert.equal(done.status, 0, done.stderr);
  }
}

const tarball = (name) => path.join(packages, `${name}-${VERSION}.tgz`);

test('pack: what must agree agrees', () => {
  const main = manifestOf(tarball(NAME));
  const fromCargo = ['name', 'version', 'description', 'license'];
  assert.deepEqual(fromCargo.map((key) => main[key]), fromCargo.map(member));
  assert.equal(main.scripts, undefined);
  assert.equal(main.dependencies, undefined);
  const names = Object.keys(OTHERS).map((one) => `${NAME}-${one}`);
  assert.deepEqual(Object.keys(main.optionalDependencies).sort(), names.sort());
  for (const [name, version] of Object.entries(main.optionalDependencies)) {
    const one = manifestOf(tarball(name));
    assert.equal(version, VERSION, `${name} is asked for in exactly this version`);
    assert.deepEqual([one.name, one.version, one.license], [name, VERSION, main.license]);
    assert.equal(name, `${NAME}-${one.os}-${one.cpu}`);
    assert.equal(one.scripts, undefined);
    assert.equal(one.preferUnplugged, true);
    const list = spawnSync('tar', ['-tvzf', tarball(name)], { encoding: 'utf8' }).stdout;
    const file = one.os[0] === 'win32' ? 'convex-doctor\\.exe' : 'convex-doctor';
    assert.match(list, new RegExp(`^-rwxr-xr-x.* package/bin/${file}$`, 'm'));
    for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE', 'README.md']) {
      assert.match(list, new RegExp(` package/${licence}$`, 'm'));
    }
  }
  const readme = spawnSync('tar', ['-xzOf', tarball(NAME), 'package/README.md'], { encoding: 'utf8' }).stdout;
  assert.doesNotMatch(readme, /@[A-Z]+@/, 'all places of the template are filled');
});

test('pack: the same files make the same tarballs', () => {
  const again = path.join(temporary, 'again');
  const done = pack('--out', again, '--target', OTHERS['darwin-arm64'], programFor('darwin-arm64'));
  assert.equal(done.status, 0, done.stderr);
  for (const file of fs.readdirSync(again)) {
    assert.ok(fs.readFileSync(path.join(again, file)).equals(fs.readFileSync(path.join(packages, file))), file);
  }
});

test('pack: refuses what would not run', () => {
  const refused = (words, ...args) => {
    const done = pack('--out', path.join(temporary, 'refused'), ...args);
    assert.equal(done.status, 1);
    assert.match(done.stderr, words);
    assert.equal(fs.existsSync(path.join(temporary, 'refused')), false);
  };
  refused(/is for darwin-arm64, not for linux-x64/, '--target', OTHERS['linux-x64'], programFor('darwin-arm64'));
  refused(/no package for the target mips/, '--target', 'mips', programFor('darwin-arm64'));
  refused(/is not a program/, path.join(root, 'Cargo.toml'));
  refused(/there is no .*nowhere/, path.join(root, 'nowhere'));
  refused(/has no index.html/, '--docs', here);
  refused(/linked dynamically/, '--target', OTHERS[`linux-${arch}`], fs.realpathSync(process.execPath));
});

test('pack: documentation', () => {
  const pages = path.join(temporary, 'pages');
  fs.mkdirSync(path.join(pages, 'findings'), { recursive: true });
  fs.writeFileSync(path.join(pages, 'index.html'), 'index');
  fs.writeFileSync(path.join(pages, 'findings/a.html'), 'a');
  const out = path.join(temporary, 'docs');
  assert.equal(pack('--out', out, '--docs', pages).status, 0);
  const file = path.join(out, `${NAME}-docs-${VERSION}.tgz`);
  const one = manifestOf(file);
  assert.deepEqual([one.name, one.version, one.bin], [`${NAME}-docs`, VERSION, undefined]);
  const list = spawnSync('tar', ['-tzf', file], { encoding: 'utf8' }).stdout;
  assert.match(list, /^package\/index.html$/m);
  assert.match(list, /^package\/findings\/a.html$/m);
});

// ---- Managers

const MATRIX =
  process.env.ALL === '1'
    ? Object.keys(MANAGERS).flatMap((manager) => NODES.map((node) => [manager, node]))
    : [['npm', 18], ['pnpm', 20], ['yarn', 22], ['bun', 24]];

for (const [manager, node] of MATRIX) {
  test(`${manager} on Node ${node}: installs and runs`, async () => {
    const at = await installed(node, manager);
    const exec = (...words) => command([...MANAGERS[manager].exec, ...words], at);
    for (const name of ['convex-doctor', NAME]) {
      const { stdout, stderr } = await run(exec(name, '--version'), at, { expect: 0 });
      assert.equal(stdout.trim(), `convex-doctor ${VERSION}`);
      assert.doesNotMatch(stderr, /Warning/);
    }
    const demo = await run(exec('convex-doctor', 'demo'), at, { expect: 1 });
    assert.match(demo.stdout, /^BROKEN /m);
    if (manager === 'bun') {
      const own = await run(['bun', '--bun', 'x', '--no-install', 'convex-doctor', 'demo'], at, { expect: 1 });
      assert.match(own.stdout, /^BROKEN /m);
    }

    const keys = [{ wait: 'ready' }, { type: CTRL_C }, { wait: 'tidied up' }];
    const typed = await terminal(exec('convex-doctor', 'run', '--', program, 'count'), at, keys);
    assert.match(typed.output, /got {"SIGINT": 1} and tidied up/);
    assert.equal(typed.code, 7);
    assert.ok(typed.same, 'the terminal is as it was');
  });

  test(`${manager} on Node ${node}: runs without being installed`, async () => {
    const at = project(node, manager);
    const { stdout } = await run(command([...MANAGERS[manager].once, NAME, 'demo'], at), at, { expect: 1 });
    assert.match(stdout, /^BROKEN /m);
    assert.equal(fs.existsSync(path.join(at.cwd, 'node_modules')), false);
  });
}

// ---- The launcher

for (const node of NODES) {
  test(`launcher on Node ${node}: signals, exit codes, arguments`, async () => {
    const at = await withProgram(node);
    for (const { name, argv } of forms(node, at)) {
      const arrives = async (signal, step) => {
        const steps = [{ wait: 'ready' }, step, { wait: 'tidied up' }];
        const { output, code, same } = await terminal([...argv, 'count'], at, steps);
        assert.match(output, new RegExp(`got {"${signal}": 1} and`), `${name}: ${signal} arrives once`);
        assert.deepEqual([code, same], [7, true], `${name}: ${signal}`);
        assert.doesNotMatch(output, /Warning/);
      };
      await arrives('SIGINT', { type: CTRL_C });
      await arrives('SIGQUIT', { type: '\x1c' });
      await arrives('SIGTERM', { kill: 'SIGTERM' });
      await arrives('SIGHUP', { kill: 'SIGHUP' });

      for (const code of [0, 3, 130]) {
        await run([...argv, 'exit', String(code)], at, { expect: code });
      }
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL']) {
        const done = await run([...argv, 'die', signal], at);
        assert.equal(done.signal, signal, `${name}: ends by the signal that ended the program`);
      }
      const { code, signal } = await run([...argv, 'die', 'SIGABRT'], at);
      assert.deepEqual([code, signal], name === 'spawn' ? [134, null] : [null, 'SIGABRT']);

      const args = ['', 'a b', '"$x"', '*', 'ü', '--', '-h'];
      const { stdout, stderr } = await run([...argv, 'echo', ...args], at, { input: 'typed', expect: 0 });
      const told = JSON.parse(stdout);
      assert.deepEqual([told.args, told.input, stderr], [args, 'typed', '']);
      assert.equal(told.parent === process.pid, name === 'execve', 'execve leaves no process in between');
    }
  });
}

test('launcher: a program that cannot be started', async () => {
  for (const node of [20, 24]) {
    const at = await withProgram(node);
    fs.chmodSync(at.file, 0o644);
    const { stderr } = await run([launcher(at), 'exit', '0'], at, { expect: 3 });
    assert.equal(stderr, `error: cannot start ${at.file}: EACCES\nDelete node_modules and install ${NAME} again.\n`);
  }
});

test('launcher: an execve that fails', async () => {
  const at = await installed(22);
  const preload = path.join(at.env.HOME, 'failing.cjs');
  const failing = "process.emitWarning('experimental', 'ExperimentalWarning'); throw new Error('no');";
  fs.writeFileSync(preload, `process.execve = () => { ${failing} };\n`);
  const { stdout, stderr } = await run([at.node, '--require', preload, launcher(at), '--version'], at, { expect: 0 });
  assert.deepEqual([stdout, stderr], [`convex-doctor ${VERSION}\n`, '']);
});

test('launcher: the package of this platform was left out', async () => {
  for (const node of [18, 24]) {
    const at = project(node);
    at.env.npm_config_omit = 'optional';
    await run(['npm', 'install', NAME], at, { expect: 0 });
    const { stdout, stderr } = await run([launcher(at), 'demo'], at, { expect: 3 });
    assert.equal(stdout, '');
    assert.ok(stderr.startsWith(`error: the package ${OWN} is not installed\n`), stderr);
    const fix = stderr.split('\n').find((line) => line.startsWith('    npm install'));
    await run(fix.trim().split(' '), at, { expect: 0 });
    await run([launcher(at), 'demo'], at, { expect: 1 });
  }
});

test('launcher: node_modules of another system', async () => {
  const at = project(22);
  await run(['npm', 'install', '--os=darwin', '--cpu=arm64', NAME], at, { expect: 0 });
  const { stderr } = await run(['npx', 'convex-doctor', 'demo'], at, { expect: 3 });
  assert.match(stderr, /^error: the package .* is not installed$/m);
  const fix = stderr.split('\n').find((line) => line.startsWith('    npm install'));
  await run(fix.trim().split(' '), at, { expect: 0 });
  await run(['npx', 'convex-doctor', 'demo'], at, { expect: 1 });
});

test('launcher: every manager is told its own command', async () => {
  for (const [manager, words] of [['pnpm', 'pnpm add --save-dev'], ['yarn', 'yarn add --dev'], ['bun', 'bun add --dev']]) {
    const at = project(20);
    await run(['npm', 'install', '--omit=optional', NAME], at, { expect: 0 });
    const env = { ...at.env, npm_config_user_agent: `${manager}/1.2.3 node/v20.20.2 linux x64` };
    const { stderr } = await run([launcher(at)], { ...at, env }, { expect: 3 });
    assert.ok(stderr.includes(`\n    ${words} ${NAME}@${VERSION} ${OWN}@${VERSION}\n`), stderr);
  }
});

test('launcher: a platform without a package', async () => {
  const at = await installed(22);
  const on = async (platform, cpu) => {
    const preload = path.join(at.env.HOME, `${platform}.cjs`);
    const set = (key, value) => `Object.defineProperty(process, '${key}', { value: '${value}' });\n`;
    fs.writeFileSync(preload, set('platform', platform) + set('arch', cpu));
    return (await run([at.node, '--require', preload, launcher(at)], at, { expect: 3 })).stderr;
  };
  assert.equal(
    await on('freebsd', 'x64'),
    `error: ${NAME} has no package for this platform (freebsd x64)\n` +
      'There are packages for: linux x64, linux arm64, darwin x64, darwin arm64, win32 x64.\n' +
      'On any other platform, build convex-doctor from its source code.\n',
  );
  assert.match(await on('win32', 'arm64'), /\nOn Windows, run it in WSL 2.\n$/);
  assert.match(await on('darwin', 'arm64'), /^error: the package .*-darwin-arm64 is not installed\n/);
});

const cli = path.join(root, '.ci/cache/npm/node_modules/convex/bin/main.js');
if (fs.existsSync(cli)) {
  test('the real Convex CLI is interrupted', async () => {
    const at = await installed(20);
    fs.writeFileSync(path.join(at.cwd, 'package.json'), '{"name":"app","private":true,"dependencies":{"convex":"*"}}\n');
    for (const name of ['convex', 'esbuild', '@esbuild', 'prettier', 'ws']) {
      fs.symlinkSync(path.join(cache, '../npm/node_modules', name), path.join(at.cwd, 'node_modules', name));
    }
    const asked = path.join(at.env.HOME, 'asked');
    const silent = http.createServer(() => fs.writeFileSync(asked, ''));
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const env = {
      ...at.env,
      CONVEX_SELF_HOSTED_URL: `http://127.0.0.1:${silent.address().port}`,
      CONVEX_SELF_HOSTED_ADMIN_KEY: 'app|00',
    };
    const argv = [launcher(at), 'run', '--', 'node', cli, 'dev'];
    const { output, code, same } = await terminal(argv, { ...at, env }, [{ exists: asked }, { type: CTRL_C }]);
    silent.closeAllConnections();
    silent.close();
    assert.deepEqual([output.trim(), code, same], ['^C', 130, true], 'a user who interrupts gets no diagnosis');
  });
}

// ---- Ctrl-Z

const WAYS = {
  'sh -c': ({ at, name }) => `sh -c '${at.direct} ${name}; exit $?'`,
  npx: ({ name }) => `npx convex-doctor ${name}`,
  launcher: ({ at, name }) => `${launcher(at)} ${name}`,
};
for (const node of [20, 24]) {
  for (const [way, line] of Object.entries(WAYS)) {
    test(`Ctrl-Z and fg, ${way}, Node ${node}`, async () => {
      const at = await installed(node);
      at.direct = path.join(at.cwd, 'node_modules', OWN, 'bin/convex-doctor');
      const typed = line({ at, name: `run -- ${program} count` });
      const env = { ...at.env, PS1: 'prompt> ' };
      const { output, code } = await terminal(['bash', '--norc', '--noprofile', '-i'], { ...at, env }, [
        { wait: 'prompt> ' },
        { type: `${typed}\n` },
        { wait: 'ready' },
        { type: CTRL_Z },
        { wait: 'Stopped' },
        { wait: 'prompt> ' },
        // The shell sets the terminal up after it has printed its prompt.
        { sleep: 0.3 },
        { type: 'fg\n' },
        // The shell prints what it continues.
        { wait: '\n' },
        { sleep: 0.5 },
        { type: CTRL_C },
        { wait: 'tidied up' },
        { wait: 'prompt> ' },
        { type: 'echo "code=$?"; exit 0\n' },
        { wait: 'code=7' },
      ]);
      assert.match(output, /got {"SIGINT": 1} and/);
      assert.equal(code, 0);
    });
  }
}

// ---- The start

if (process.env.MEASURE === '1') {
  test('the start, in milliseconds (median of 10)', async () => {
    const median = (argv, at) => {
      const times = Array.from({ length: 10 }, () => {
        const start = performance.now();
        spawnSync(argv[0], argv.slice(1), at);
        return performance.now() - start;
      });
      return times.sort((a, b) => a - b)[5].toFixed(1);
    };
    for (const node of NODES) {
      const at = await installed(node);
      const own = path.join(at.cwd, 'node_modules', OWN, 'bin/convex-doctor');
      const figures = {
        program: [own, '--version'],
        'node -e 0': [at.node, '-e', '0'],
        launcher: [launcher(at), '--version'],
        npx: ['npx', 'convex-doctor', '--version'],
      };
      const told = Object.entries(figures).map(([name, argv]) => `${name} ${median(argv, at)}`);
      console.log(`    Node ${node}: ${told.join(', ')}`);
    }
  });
}

// ---- All of them

/** Whether a test passes: at the second try at the latest, because a busy machine lets a typist run into a shell. */
async function attempt({ name, body }) {
  const start = performance.now();
  for (const last of [false, true]) {
    try {
      await body();
      console.log(`ok     ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
      return true;
    } catch (problem) {
      console.log(`${last ? 'FAILED' : 'again '} ${name}\n${problem.stack}`);
    }
  }
  return false;
}

async function main() {
  if (binary === undefined || !fs.existsSync(binary)) {
    console.error('usage: node packaging/npm/test/run.mjs BINARY [FILTER]');
    return 2;
  }
  installTools();
  packAll();
  registry = await startRegistry(packages);
  const results = [];
  const waiting = tests.filter((one) => one.name.includes(filter));
  // They wait more than they work.
  const worker = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      results.push(await attempt(one));
    }
  };
  await Promise.all(Array.from({ length: process.env.MEASURE === '1' ? 1 : 4 }, worker));
  registry.stop();
  const failed = results.filter((passed) => !passed).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  return failed > 0 || results.length === 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} finally {
  fs.rmSync(temporary, { recursive: true, force: true });
}
