#!/usr/bin/env node
// Starts the convex-doctor of this platform's package. Everything that runs here delays it: require
// only what the path at hand needs. Works from Node 18 on.
'use strict';

const { name, version, optionalDependencies } = require('../package.json');

const platform = `${process.platform}-${process.arch}`;
const wanted = `${name}-${platform}`;

function find() {
  const file = process.platform === 'win32' ? 'convex-doctor.exe' : 'convex-doctor';
  try {
    return require.resolve(`${wanted}/bin/${file}`);
  } catch {
    return undefined;
  }
}

// The exit code of a run that could not check anything.
function fail(text) {
  process.exitCode = 3;
  console.error(text);
}

function unsupported() {
  const supported = Object.keys(optionalDependencies).map((other) =>
    other.slice(name.length + 1).replace('-', ' '),
  );
  const way =
    process.platform === 'win32'
      ? 'On Windows, run it in WSL 2.'
      : 'On any other platform, build convex-doctor from its source code.';
  fail(
    `error: ${name} has no package for this platform (${platform.replace('-', ' ')})\n` +
      `There are packages for: ${supported.join(', ')}.\n${way}`,
  );
}

function notInstalled() {
  const managers = {
    pnpm: 'pnpm add --save-dev',
    yarn: 'yarn add --dev',
    bun: 'bun add --dev',
  };
  const manager = (process.env.npm_config_user_agent ?? '').split('/')[0];
  const install = managers[manager] ?? 'npm install --no-save';
  fail(
    `error: the package ${wanted} is not installed\n` +
      'It contains the program for this platform. It is missing if optional dependencies were\n' +
      'omitted, or if the lockfile or node_modules was made on another system.\n\n' +
      'Fix: install it next to this package\n\n' +
      `    ${install} ${name}@${version} ${wanted}@${version}\n\n` +
      'Is it still missing? Delete node_modules and the lockfile, and install again.',
  );
}

// A Node that can makes way: no process is left between the shell and the program. It must be
// certain that this works, because Node aborts if it does not.
function replace(program, args) {
  if (process.platform === 'win32' || typeof process.execve !== 'function') {
    return;
  }
  const { emitWarning } = process;
  try {
    const { accessSync, constants } = require('fs');
    accessSync(program, constants.X_OK);
    // It is called experimental, which users cannot change.
    process.emitWarning = () => {};
    process.execve(program, [program, ...args]);
  } catch {
    process.emitWarning = emitWarning;
  }
}

function spawn(program, args) {
  // A terminal sends these to the program too, which decides when it ends.
  const listeners = { SIGINT: () => {}, SIGQUIT: () => {} };
  let child;
  // These come to this process only.
  for (const signal of ['SIGTERM', 'SIGHUP']) {
    listeners[signal] = () => child?.kill(signal);
  }
  for (const [signal, listener] of Object.entries(listeners)) {
    process.on(signal, listener);
  }
  child = require('child_process').spawn(program, args, { stdio: 'inherit', windowsHide: true });
  child.on('error', (problem) =>
    fail(
      `error: cannot start ${program}: ${problem.code ?? problem.message}\n` +
        `Delete node_modules and install ${name} again.`,
    ),
  );
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exit(code);
    }
    const number = require('os').constants.signals[signal];
    // What a user or the system sent ends this process too. Any other signal (a crash) would make
    // Node dump its own core.
    if (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'].includes(signal)) {
      for (const [other, listener] of Object.entries(listeners)) {
        process.off(other, listener);
      }
      process.kill(process.pid, signal);
      setTimeout(() => process.exit(128 + number), 1000);
    } else {
      process.exit(128 + number);
    }
  });
}

const program = find();
if (program !== undefined) {
  const args = process.argv.slice(2);
  replace(program, args);
  spawn(program, args);
} else if (optionalDependencies[wanted] === undefined) {
  unsupported();
} else {
  notInstalled();
}
