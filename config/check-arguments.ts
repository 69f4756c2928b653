/** The words that may follow `npm run check-config --`. */
import { parseArgs } from 'node:util';
import type { FirewallOptions } from './firewall.js';
import { ipRange } from './ip-range.js';

export const usage = `Says what is wrong with a configuration, or makes the firewall that belongs to it.

  npm run check-config -- --config <file>              every problem, one a line; or that all is well
  npm run --silent check-config -- --firewall          prints rules for nft -f instead; with --config <file> too
      --sip-port <port>            where your drachtio-server takes SIP (5060)
      --rtp-ports <first>-<last>   the RTP ports of your FreeSWITCH (20000-29998)
      --media-sip-port <port>      where your FreeSWITCH takes SIP from the drachtio-server (5080)
      --node <address>             another gateway or engine of yours; may be given several times
  npm run check-config -- --help                       this text

Without --config: the file that GATEWAY_CONFIG names, else the built-in demo.
Exit codes: 0 the configuration holds, 64 command line not understood, 78 configuration does not hold.
`;

export type CheckArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'mistake'; readonly problem: string }
  /** `config` is undefined when no file is named; `firewall` when its rules are not wanted. */
  | { readonly kind: 'check'; readonly config: string | undefined; readonly firewall: FirewallOptions | undefined };

const known = {
  config: { type: 'string', multiple: true },
  firewall: { type: 'boolean' },
  'sip-port': { type: 'string', multiple: true },
  'media-sip-port': { type: 'string', multiple: true },
  'rtp-ports': { type: 'string', multiple: true },
  node: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const;

class Mistake extends Error {}

/** @param words the command line after the program's name, in any order */
export function readCheckArguments(words: readonly string[]): CheckArguments {
  try {
    return read(words);
  } catch (error) {
    if (error instanceof Mistake) return { kind: 'mistake', problem: error.message };
    throw error;
  }
}

function read(words: readonly string[]): CheckArguments {
  const { tokens, values, positionals } = parseArgs({ args: [...words], options: known, strict: false, allowPositionals: true, tokens: true });
  if (values.help === true) return { kind: 'help' };
  const texts = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { type } = (known as Record<string, { type: 'string' | 'boolean' } | undefined>)[token.name] ?? {};
    if (type === undefined) throw new Mistake(`${token.rawName}: not understood`);
    if (type === 'boolean') {
      if (token.value !== undefined) throw new Mistake(`${token.rawName} takes no value`);
      continue;
    }
    // A value that looks like an option is the next one, after something was forgotten.
    if (token.value === undefined || token.value === '' || (!token.inlineValue && token.value.startsWith('-'))) throw new Mistake(`${token.rawName} needs a value`);
    texts.set(token.name, [...(texts.get(token.name) ?? []), token.value]);
  }
  for (const [name, given] of texts) if (name !== 'node' && given.length > 1) throw new Mistake(`--${name} is given more than once`);
  const files = [...positionals, ...(texts.get('config') ?? [])];
  if (files.length > 1) throw new Mistake(`${files[0]}: not understood; one file can be checked`);

  const only = ['sip-port', 'media-sip-port', 'rtp-ports', 'node'].find((name) => texts.has(name));
  if (values.firewall !== true) {
    if (only !== undefined) throw new Mistake(`--${only} goes with --firewall`);
    return { kind: 'check', config: files[0], firewall: undefined };
  }
  const one = <T>(name: string, read: (text: string) => T): T | undefined => texts.get(name)?.map(read)[0];
  const sipPort = one('sip-port', (text) => portOf('--sip-port', text));
  const mediaSipPort = one('media-sip-port', (text) => portOf('--media-sip-port', text));
  const rtpPorts = one('rtp-ports', portsOf);
  const nodes = (texts.get('node') ?? []).map(nodeOf);
  return { kind: 'check', config: files[0], firewall: { nodes, ...(sipPort !== undefined && { sipPort }), ...(mediaSipPort !== undefined && { mediaSipPort }), ...(rtpPorts && { rtpPorts }) } };
}

function portOf(option: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new Mistake(`${option}: ${text} is no port. Write a number from 1 to 65535`);
  return port;
}

function portsOf(text: string): { min: number; max: number } {
  const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  if (first === undefined || last === undefined) throw new Mistake(`--rtp-ports: ${text} is no range. Write it like 20000-29998`);
  const [min, max] = [portOf('--rtp-ports', first), portOf('--rtp-ports', last)];
  if (max < min) throw new Mistake(`--rtp-ports: ${text} ends before it begins. Write it like 20000-29998`);
  return { min, max };
}

function nodeOf(text: string): string {
  if (ipRange(text) === undefined) throw new Mistake(`--node: ${text} is no IP address or CIDR range. Write it like 10.20.0.5`);
  return text;
}
