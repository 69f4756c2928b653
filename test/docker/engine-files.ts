import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { dockerDir } from './compose-file.js';

type Attributes = Record<string, string>;
/** One tag with its children, `#text` with a text, or both forms with the attributes under `:@`. */
type Element = { [tag: string]: Element[] | Attributes | string | undefined } & { ':@'?: Attributes };

const parser = new XMLParser({ preserveOrder: true, ignoreAttributes: false, attributeNamePrefix: '', parseTagValue: false, parseAttributeValue: false });

/** Every XML file of the engines, by its path below docker/. */
export function engineXmlFiles(): string[] {
  return ['drachtio', 'freeswitch'].flatMap((folder) =>
    readdirSync(path.join(dockerDir, folder))
      .filter((name) => name.endsWith('.xml'))
      .map((name) => path.join(folder, name)),
  );
}

/** What is wrong with an XML file, or undefined. */
export function xmlFault(file: string): string | undefined {
  const verdict = XMLValidator.validate(readFileSync(path.join(dockerDir, file), 'utf8'));
  return verdict === true ? undefined : `${file}:${verdict.err.line}: ${verdict.err.msg}`;
}

/** One element found in a file: its attributes, its text, and the names of the elements around it. */
export interface Found {
  tag: string;
  attributes: Attributes;
  text: string;
  within: { tag: string; attributes: Attributes }[];
}

/** All elements of an XML file, in document order. */
export function elements(file: string): Found[] {
  const found: Found[] = [];
  const walk = (nodes: Element[], within: Found['within']): void => {
    for (const node of nodes) {
      const tag = Object.keys(node).find((key) => key !== ':@');
      if (tag === undefined || tag.startsWith('#') || tag.startsWith('?')) continue;
      const children = (node[tag] ?? []) as Element[];
      const attributes = node[':@'] ?? {};
      const text = children.map((child) => (typeof child['#text'] === 'string' ? child['#text'] : '')).join('');
      found.push({ tag, attributes, text, within });
      walk(children, [...within, { tag, attributes }]);
    }
  };
  walk(parser.parse(readFileSync(path.join(dockerDir, file), 'utf8')) as Element[], []);
  return found;
}

/** The variables that docker/freeswitch/vars.xml sets: fixed ones with their value, others with where it comes from. */
export function mediaServerVariables(): Map<string, { from: 'set' | 'env-set' | 'exec-set'; value: string }> {
  const variables = new Map<string, { from: 'set' | 'env-set' | 'exec-set'; value: string }>();
  for (const { tag, attributes } of elements('freeswitch/vars.xml')) {
    if (tag !== 'X-PRE-PROCESS') continue;
    const [, name, value] = /^(\w+)=(.*)$/s.exec(attributes['data'] ?? '') ?? [];
    if (name !== undefined && value !== undefined) variables.set(name, { from: attributes['cmd'] as 'set', value });
  }
  return variables;
}

/** The `param` values of one media server configuration (such as `event_socket.conf`), variables not yet replaced. */
export function mediaServerParams(file: string, configuration: string): Map<string, string> {
  return new Map(
    elements(file)
      .filter(({ tag, within }) => tag === 'param' && within.some((outer) => outer.tag === 'configuration' && outer.attributes['name'] === configuration))
      .map(({ attributes }) => [attributes['name'] ?? '', attributes['value'] ?? '']),
  );
}
