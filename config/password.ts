import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** Cost of new hashes: 2^15 × 8 × 128 bytes = 32 MiB, some 80 ms on a small server. */
const COST = { ln: 15, r: 8, p: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const FORM = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43,86})$/;

interface ParsedHash {
  cost: { ln: number; r: number; p: number };
  salt: Buffer;
  hash: Buffer;
}

/** Reads a hash in PHC string format; null when it is none, or costs more memory or less work than is sensible. */
function parse(text: string): ParsedHash | null {
  const match = FORM.exec(text);
  if (!match) return null;
  const cost = { ln: Number(match[1]), r: Number(match[2]), p: Number(match[3]) };
  if (cost.ln < 14 || cost.ln > 17 || cost.r < 8 || cost.r > 16 || cost.p < 1 || cost.p > 4) return null;
  return { cost, salt: Buffer.from(match[4] ?? '', 'base64'), hash: Buffer.from(match[5] ?? '', 'base64') };
}

function derive(password: string, salt: Buffer, cost: ParsedHash['cost'], bytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const N = 2 ** cost.ln;
    const options = { N, r: cost.r, p: cost.p, maxmem: 2 * 128 * N * cost.r };
    // NFC: the same password typed on two keyboards may come in two Unicode forms.
    scrypt(password.normalize('NFC'), salt, bytes, options, (error, hash) => (error ? reject(error) : resolve(hash)));
  });
}

/** True for text in the form that `hashPassword` makes: `$scrypt$ln=15,r=8,p=1$salt$hash`. */
export function isPasswordHash(text: string): boolean {
  return parse(text) !== null;
}

/** An scrypt hash (RFC 7914) of a password with a fresh salt, in PHC string format. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, salt, COST, HASH_BYTES);
  const b64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${b64(salt)}$${b64(hash)}`;
}

/** Whether a password belongs to a hash; false for a hash that cannot be read. Takes the same time either way. */
export async function verifyPassword(password: string, hashText: string): Promise<boolean> {
  const parsed = parse(hashText);
  if (!parsed) return false;
  const hash = await derive(password, parsed.salt, parsed.cost, parsed.hash.length);
  return timingSafeEqual(hash, parsed.hash);
}
