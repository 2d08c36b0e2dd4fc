// A registry on this machine which has our packages only, from their tarballs.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

export function manifestOf(tarball) {
  const tar = spawnSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' });
  return JSON.parse(tar.stdout);
}

/**
 * Serves all tarballs in `dir`. Each test has a registry of its own, below `url` + its key: `taken(key)` are the names of
 * the packages whose tarballs were asked for there.
 */
export async function startRegistry(dir) {
  const packages = new Map();
  const tarballs = new Map();
  const asked = new Map();
  const taken = (key) => [...(asked.get(key) ?? [])].sort();
  const server = http.createServer((request, response) => {
    const [, key, ...rest] = new URL(request.url, 'http://registry').pathname.split('/');
    const wanted = decodeURIComponent(rest.join('/'));
    if (packages.has(wanted)) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(packages.get(wanted)).replaceAll('@REGISTRY@', `${url}${key}/`));
    } else if (tarballs.has(wanted)) {
      const { owner, bytes } = tarballs.get(wanted);
      asked.set(key, (asked.get(key) ?? new Set()).add(owner));
      response.setHeader('content-type', 'application/octet-stream');
      response.end(bytes);
    } else {
      response.statusCode = 404;
      response.end('{}');
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;

  for (const file of fs.readdirSync(dir).filter((one) => one.endsWith('.tgz'))) {
    const bytes = fs.readFileSync(path.join(dir, file));
    const manifest = manifestOf(path.join(dir, file));
    const { name, version } = manifest;
    const place = `${name}/-/${file}`;
    tarballs.set(place, { owner: name, bytes });
    packages.set(name, {
      name,
      'dist-tags': { latest: version },
      time: { created: '2026-01-01T00:00:00.000Z', [version]: '2026-01-01T00:00:00.000Z' },
      versions: {
        [version]: {
          ...manifest,
          dist: {
            tarball: `@REGISTRY@${place}`,
            shasum: createHash('sha1').update(bytes).digest('hex'),
            integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
          },
        },
      },
    });
  }
  return { url, taken, stop: () => server.close() };
}
