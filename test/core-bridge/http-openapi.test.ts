import { readFileSync } from 'node:fs';
import { compileErrors, validate } from '@readme/openapi-parser';
import Fastify from 'fastify';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeCoreApi } from '../../core-bridge/core-api/openapi.js';
import { REFUSALS } from '../../core-bridge/core-api/refusals.js';
import { coreListener, type CoreTenant } from '../../core-bridge/index.js';
import { serveCore, testConfig, type ServedCore } from './fixtures.js';

interface Operation {
  responses: Record<string, { description: string; content: Record<string, { schema: { properties?: { error?: { enum?: string[] } } } }> }>;
  requestBody?: { content: Record<string, unknown> };
}
interface Document {
  openapi: string;
  servers: { url: string }[];
  paths: Record<string, Record<'get' | 'post', Operation | undefined>>;
  components: { schemas: Record<string, { properties: Record<string, unknown>; required: string[] }> };
}

let core: ServedCore;
beforeAll(async () => {
  core = await serveCore(testConfig());
});
afterAll(() => core.stop());

const served = async (): Promise<Document> => (await (await fetch(`${core.base}/openapi.json`)).json()) as Document;

describe('the description of the interface', () => {
  it('is served by the listener itself, to anyone who reaches it', async () => {
    const answer = await fetch(`${core.base}/openapi.json`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    const document = await served();
    expect(document.servers).toEqual([{ url: core.base }]);
    expect(Object.keys(document.paths)).toEqual(['/start_communication', '/attr/{token}', '/openapi.json']);
    expect((await fetch(`${core.base}/openapi.json`, { method: 'POST' })).status).toBe(405);
  });

  it.each([false, true])('is valid OpenAPI 3.1; tenants: %s', async (tenants) => {
    const document = describeCoreApi({ coreUrl: 'http://gateway.internal:8081', tenants });
    const checked = await validate(structuredClone(document) as Parameters<typeof validate>[0]);
    expect(checked.valid || compileErrors(checked)).toBe(true);
    expect(JSON.stringify(document)).toContain('"openapi":"3.1.0"');
  });

  it.each([[['main']], [['zutphen', 'arnhem']]])('has every address of the listener, and no other: tenants %j', async (names) => {
    const { tenants } = testConfig();
    const routes = new Set<string>();
    const app = Fastify();
    app.addHook('onRoute', ({ method, path, handler }) => {
      // Those that refuse other methods are not described: OpenAPI has no word for them.
      if (handler.name !== 'methodNotAllowed') for (const one of [method].flat()) if (one !== 'HEAD') routes.add(`${one.toLowerCase()} ${path.replace(/:(\w+)/g, '{$1}').replace(/^\/t\/(zutphen|arnhem)/, '/t/{tenant}')}`);
    });
    const listed = names.map((name) => ({ ...core.tenants[0]!, tenant: { ...tenants[0]!, name } })) satisfies CoreTenant[];
    await app.register(coreListener({ tenants: listed, log: pino({ level: 'silent' }), coreUrl: () => 'http://x', publicUrl: () => 'http://y' }));
    const answer = await app.inject('/openapi.json');
    await app.close();
    const { paths } = answer.json<Document>();
    const described = Object.entries(paths).flatMap(([path, operations]) => (['get', 'post'] as const).filter((method) => operations[method]).map((method) => `${method} ${path}`));
    expect(described.sort()).toEqual([...routes].sort());
  });

  it('has every refusal at its endpoint, and says what each means', async () => {
    const { paths } = await served();
    const found = (['/start_communication', '/attr/{token}'] as const).flatMap((path) =>
      Object.entries(paths[path]?.post?.responses ?? {}).flatMap(([status, { description, content }]) =>
        (content['application/json']?.schema.properties?.error?.enum ?? []).map((code) => {
          expect(description).toContain(`\`${code}\``);
          return `${path} ${status} ${code}`;
        }),
      ),
    );
    const expected = Object.entries(REFUSALS).flatMap(([code, { status, at }]) => at.map((endpoint) => `${endpoint === 'start' ? '/start_communication' : '/attr/{token}'} ${status} ${code}`));
    expect(found.sort()).toEqual(expected.sort());
  });

  it('describes the claims of a result by the schema that reads them', async () => {
    const claims = (await served()).components.schemas['ResultClaims']!;
    expect(claims.required.sort()).toEqual(['exp', 'status', 'sub']);
    expect(Object.keys(claims.properties).sort()).toEqual(['attributes', 'exp', 'iat', 'nbf', 'session_url', 'status', 'sub']);
  });
});

describe('the documents agree with it', () => {
  const doc = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
  const entries = Object.entries(REFUSALS).sort(([, a], [, b]) => a.status - b.status);

  it('docs/core-api.md has every code with its status and meaning', () => {
    const table = entries.map(([code, { status, at, meaning }]) => `| ${status} | \`${code}\` | ${at.length === 2 ? 'both' : at[0]} | ${meaning} |`);
    expect(doc('core-api.md').split('\n').filter((line) => /^\| \d{3} \|/.test(line))).toEqual(table);
  });

  it('docs/core-admin.md says of every code what to do', () => {
    const table = entries.map(([code, { remedy }]) => `| \`${code}\` | ${remedy} |`);
    const [, ...lines] = doc('core-admin.md').split('## What each error code means');
    expect(lines.join('').split('\n').filter((line) => /^\| `/.test(line))).toEqual(table);
  });

  it('docs/core-api.md names every claim, and every key of request and answer', async () => {
    const { components } = await served();
    for (const key of ['purpose', 'auth_result', 'client_url', 'attr_url', ...Object.keys(components.schemas['ResultClaims']!.properties)]) expect(doc('core-api.md')).toContain(`\`${key}\``);
  });
});
