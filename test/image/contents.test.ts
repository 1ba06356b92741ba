import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Image, LACKS_IMAGE, unpackImage } from '../support/image.ts';
import { describeWhere } from '../support/kernel.ts';

/** A folder whose node_modules has `@cyclonedx/cyclonedx-library` and the validators it asks for. */
const CYCLONEDX = process.env['TEST_CYCLONEDX'];
/** Bytes; 50.5 MB packed and 134 MB unpacked with Node 24.21, which is 127 MB of it. */
const MOST_PACKED = 60e6;
const MOST_UNPACKED = 150e6;

interface Component {
  name: string;
  version: string;
  purl: string;
  components?: Component[];
}

describeWhere('the image', LACKS_IMAGE, () => {
  let image: Image;
  beforeAll(() => {
    image = unpackImage();
  }, 60_000);
  afterAll(() => image.remove());

  it('should hold Node, the libraries it needs, the bundle, and nothing else', () => {
    const wanted =
      /^(?:(?:usr\/)?lib(?:64)?\/(?:[\w-]+\/)?[\w+.-]+\.so[\d.]*|usr\/local\/bin\/(?:node|spillway)|opt\/spillway\/(?:dist\/[\w./-]+\.(?:js|cjs|d\.ts|d\.cts|py|html|html\.gz|html\.json)|package\.json|LICENSE|sbom\.cdx\.json))$/;
    const files = image.entries.filter(({ mode }) => !mode.startsWith('d')).map(({ path }) => path);
    expect(files.filter((path) => !wanted.test(path))).toEqual([]);
    expect(
      files.filter((path) => /(?:^|\/)(?:[a-z]*sh|busybox|env|npm|npx|apt\S*|dpkg\S*|apk)$/.test(path)),
    ).toEqual([]);
    expect(files).toEqual(expect.arrayContaining(['usr/local/bin/node', 'opt/spillway/dist/spillway.js']));
  });

  it('should be root’s, with nothing that anybody may write or that gives rights', () => {
    expect(image.entries.filter(({ owner }) => owner !== '0/0')).toEqual([]);
    const writable = image.entries.filter(({ mode }) => mode[8] === 'w' && !mode.startsWith('l'));
    expect(writable.map(({ path, mode }) => [path, mode])).toEqual([['tmp/', 'drwxrwxrwt']]);
    expect(image.entries.filter(({ mode }) => /[sS]/.test(mode))).toEqual([]);
  });

  it('should run `spillway guard` as a user with a number and no rights', () => {
    const { config } = image.config;
    expect(config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/); // a name could not be checked by runAsNonRoot
    expect([...config.Entrypoint, ...config.Cmd]).toEqual([
      'node',
      '/opt/spillway/dist/spillway.js',
      'guard',
    ]);
    expect(config.Env).toEqual(['PATH=/usr/local/bin', 'NODE_ENV=production']);
    expect(config.Healthcheck).toBe(undefined);
    expect(config.Volumes).toBe(undefined);
  });

  it('should say what it is in its labels', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(image.config.config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'spillway',
      'org.opencontainers.image.description': expect.stringMatching(/\w/),
      'org.opencontainers.image.licenses': 'Apache-2.0',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.revision': expect.stringMatching(/^(?:[0-9a-f]{40}|unknown)$/),
    });
  });

  it(`should be no larger than ${MOST_PACKED / 1e6} MB packed and ${MOST_UNPACKED / 1e6} MB unpacked`, () => {
    const unpacked = image.entries.reduce((sum, { bytes }) => sum + bytes, 0);
    console.info(
      `image: ${(image.layerBytes / 1e6).toFixed(1)} MB packed, ${(unpacked / 1e6).toFixed(1)} MB unpacked`,
    );
    expect(image.layerBytes).toBeLessThan(MOST_PACKED);
    expect(unpacked).toBeLessThan(MOST_UNPACKED);
  });

  it('should have one time in all of it, that of the commit', () => {
    const { created } = image.config;
    expect(new Date(created).getUTCMilliseconds()).toBe(0);
  });

  describe('its bill of materials', () => {
    const text = () => readFileSync(join(image.root, 'opt/spillway/sbom.cdx.json'), 'utf8');
    const components = () => (JSON.parse(text()) as { components: Component[] }).components;

    it('should name the packages that are in the bundles, and none that is only installed', () => {
      const names = components().map(({ name }) => name);
      expect(names).toEqual(
        expect.arrayContaining(['commander', 'express', 'pino', 'prom-client', 'valibot', 'ws', 'yaml']),
      );
      // left out of the bundles by name; tools that build and test
      for (const name of ['body-parser', 'qs', 'thread-stream', 'esbuild', 'typescript', 'vitest'])
        expect(names).not.toContain(name);
    });

    it('should name Node, what is compiled into it, and a package of the base for each library', () => {
      const node = components().find(({ name }) => name === 'node');
      expect(node?.version).toMatch(/^24\.\d+\.\d+$/);
      expect(node?.components?.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['openssl', 'v8', 'uv', 'zlib']),
      );
      const fromDebian = components().filter(({ purl }) => purl.startsWith('pkg:deb/debian/'));
      expect(fromDebian.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['libc6', 'libstdc++6', 'libgcc-s1']),
      );
      for (const { purl } of fromDebian) expect(purl).toMatch(/@[^?]+\?arch=\w+&distro=debian-13$/);
    });

    it('should be CycloneDX 1.5 by its schema, and refused with a flaw (needs TEST_CYCLONEDX)', async ({
      skip,
    }) => {
      if (CYCLONEDX === undefined) skip('TEST_CYCLONEDX names no folder with @cyclonedx/cyclonedx-library');
      const { Validation, Spec } = createRequire(join(CYCLONEDX ?? '', 'x.js'))(
        '@cyclonedx/cyclonedx-library',
      ) as {
        Validation: {
          JsonStrictValidator: new (version: string) => { validate(text: string): Promise<unknown> };
        };
        Spec: { Version: Record<string, string> };
      };
      const validator = new Validation.JsonStrictValidator(Spec.Version['v1dot5'] ?? '');
      expect(await validator.validate(text())).toBe(null);
      expect(await validator.validate(text().replace('"purl"', '"url"'))).not.toBe(null);
    });
  });
});
