/** Entries as text for people and other programs. */
import type { Entry } from './entries.js';

export const exportFormats = ['csv', 'jsonl'] as const;
export type ExportFormat = (typeof exportFormats)[number];

const columns = ['time', 'tenant', 'act', 'agent', 'call', 'why', 'attributes', 'detail', 'node', 'number'] as const;

/** Keys that have a column of their own, or are about the chain. */
const placed = new Set(['n', 'at', 'prev', 'act', 'key', 'mac', 'tenant', 'agent', 'callId', 'why', 'because', 'fields', 'node']);

const text = (value: unknown): string => (typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value));

/** What an entry says in each column. */
export function cells({ chain, line }: Entry): Record<(typeof columns)[number], string> {
  const detail = Object.entries(line).filter(([key]) => !placed.has(key)).map(([key, value]) => `${key}=${text(value)}`).join(' ');
  return {
    time: line.at, tenant: text(line['tenant']), act: line.act, agent: text(line['agent']), call: text(line['callId']),
    why: text(line['why'] ?? line['because']),
    attributes: Array.isArray(line['fields']) ? line['fields'].join(' ') : '',
    detail, node: chain, number: String(line.n),
  };
}

/** RFC 4180; what a spreadsheet would run as a formula is made plain text. */
function csvCell(value: string): string {
  const plain = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

export const csvHeader = `${columns.join(',')}\r\n`;

export function formatEntry(entry: Entry, format: ExportFormat): string {
  switch (format) {
    case 'csv': {
      const row = cells(entry);
      return `${columns.map((column) => csvCell(row[column])).join(',')}\r\n`;
    }
    case 'jsonl': return `${JSON.stringify({ chain: entry.chain, ...entry.line })}\n`;
  }
}

/** Everything, piece by piece. */
export async function* exported(from: AsyncIterable<Entry>, format: ExportFormat): AsyncGenerator<string> {
  if (format === 'csv') yield csvHeader;
  for await (const entry of from) yield formatEntry(entry, format);
}
