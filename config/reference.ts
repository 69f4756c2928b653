import { z } from 'zod';
import { configSchema, tenantKeys } from './schema/index.js';

interface Node {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  properties?: Record<string, Node>;
  required?: string[];
  items?: Node;
  /** Of a group whose keys the site chooses. */
  additionalProperties?: Node | boolean;
}

const TENANT_ROW = `| … | | | ${tenantKeys.map((key) => `\`${key}\``).join(', ')}: as described above, for this tenant alone |`;

/** What may be written at a key, in words. */
function allowed(node: Node): string {
  if (node.enum) return node.enum.map((value) => `\`${String(value)}\``).join(' or ');
  if (node.type === 'integer') return `${node.minimum} to ${node.maximum}`;
  if (node.type === 'boolean') return '`true` or `false`';
  if (node.type === 'array') return node.items?.properties ? 'list of groups' : 'list';
  return 'text';
}

function defaultOf(node: Node, required: boolean): string {
  if (required) return '**required**';
  if (node.default === undefined) return 'none';
  return `\`${JSON.stringify(node.default).replaceAll('"', '')}\``;
}

/** What stands under any key of a group whose keys the site chooses. */
const anyKey = (node: Node): Node | undefined => (typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined);

function rows(node: Node, prefix: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]): string[] => {
    const path = `${prefix}${key}`;
    // A tenant's keys are described where they stand at the top.
    if (prefix === 'tenants[].' && tenantKeys.includes(key)) return key === tenantKeys[0] ? [TENANT_ROW] : [];
    const list = child.items?.properties ? child.items : undefined;
    const any = anyKey(child);
    const required = node.required?.includes(key) ?? false;
    const isGroup = child.properties !== undefined || any !== undefined;
    const row = `| \`${path}\` | ${isGroup ? 'group' : allowed(child)} | ${isGroup && !required ? '' : defaultOf(child, required)} | ${child.description ?? ''} |`;
    return [row, ...rows(child, `${path}.`), ...(list ? rows(list, `${path}[].`) : []), ...(any ? rows(any, `${path}.<any>.`) : [])];
  });
}

/** docs/configuration.md, made from the schema, so that the two cannot differ. */
export function configurationReference(): string {
  const root = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Node;
  const sections = Object.entries(root.properties ?? {}).map(([key, node]) => {
    const one: Node = { properties: { [key]: node }, required: root.required ?? [] };
    return `## ${key}\n\n| key | value | default | meaning |\n|---|---|---|---|\n${rows(one, '').join('\n')}\n`;
  });
  return [
    '# Configuration',
    '',
    'Made from `config/schema/` by `node dist/config/reference-cli.js > docs/configuration.md`; do not edit by hand.',
    '',
    'One YAML file, named by `--config <file>` or the environment variable `GATEWAY_CONFIG`; without either, the demo',
    '(`config/demo.yaml`). `npm run check-config -- --config <file>` prints every mistake at once, one a line; the',
    'gateway does the same at its start and ends with exit code 78. Unknown keys are mistakes. Numbers that begin with',
    '0 or + are written in quotes. Names of files are relative to the configuration file; keys that end in `File` take',
    'the value from a file in place of the key without that ending. `[]` stands for each entry of a list.',
    '',
    'A gateway for one municipality has the keys from `displayName` to `identify` at the top, as they are listed here; a',
    'gateway for several has them in each entry of `tenants`. Not both.',
    '',
    'The file, and those it names, are read again when one of them changes and on SIGHUP. What is taken over then without',
    'a restart: `agents`, `services[].queue.hours`, keys and tokens of `idContact`, and `listeners.core.tls`. The log names',
    'other settings that changed; they take a restart.',
    '',
    ...sections,
  ].join('\n');
}
