/** A text with, perhaps, the colon that makes it a key, or a bracket. In valid JSON nothing else has to be told apart. */
const TOKEN = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}[\]]/g;

/**
 * Reads JSON as RFC 8259 wants it exchanged: UTF-8 without a byte order mark, and every key of an object once. A key that
 * stands twice could mean one thing to the signer's reader and another to ours; `__proto__` means something to JavaScript.
 * @throws SyntaxError
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SyntaxError('not UTF-8');
  }
  const value: unknown = JSON.parse(text);
  if (!hasPlainKeys(text)) throw new SyntaxError('a key stands twice, or is reserved');
  return value;
}

function hasPlainKeys(json: string): boolean {
  const open: Set<string>[] = [];
  for (const [token, quoted, colon] of json.matchAll(TOKEN)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (quoted !== undefined && colon !== undefined) {
      const key = JSON.parse(quoted) as string;
      const siblings = open.at(-1);
      if (key === '__proto__' || siblings?.has(key)) return false;
      siblings?.add(key);
    }
  }
  return true;
}
