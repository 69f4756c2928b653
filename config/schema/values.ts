import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { isPasswordHash } from '../password.js';

/** Adds a fix to a fault found by a check of ours; `problems.ts` prints both. */
export const faulty = (fault: string, fix: string): { message: string; params: { fix: string } } => ({ message: fault, params: { fix } });

export const port = z.int().min(0).max(65_535);
export const servicePort = z.int().min(1).max(65_535);
export const host = z
  .string()
  .refine((text) => isIP(text) !== 0 || /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(text), {
    ...faulty('is not an IP address or host name', 'Write an address such as 127.0.0.1 or a name such as media.example.org'),
  });
/** Whether a host stands for every address of the machine, so that nobody can be sent to it. */
export const isAnyAddress = (text: string | undefined): boolean => text === '0.0.0.0' || text === '::';
export const ipAddress = z.string().refine((text) => isIP(text) !== 0, faulty('is not an IP address', 'Write an address such as 192.0.2.10'));
export const word = z
  .string()
  .refine((text) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text), faulty('is not a plain name', 'Use 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit'));
export const label = z.string().trim().min(1).max(100);
export const ms = (min: number, max: number): z.ZodInt => z.int().min(min).max(max);

export const baseUrl = z
  .string()
  .refine(isBaseUrl, faulty('is not a usable base address', 'Write http:// or https://, a host, and perhaps a port and a path, without user name, query or fragment'))
  .transform((text) => text.replace(/\/+$/, ''));

function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '' && !/[?#]/.test(text);
}

/** Scheme, host and port, as a browser names where a page is from (RFC 6454). */
export const webOrigin = z
  .string()
  .max(300)
  .refine((text) => isBaseUrl(text) && /^https?:\/\/[^/]+\/?$/i.test(text) && !text.includes('*'), faulty('is not an origin', 'Write scheme, host and perhaps a port, such as https://crm.example.org, without a path'))
  .transform((text) => new URL(text).origin);

/** An address that requests are sent to as it stands, query and all. */
export const webUrl = z
  .string()
  .max(2_048)
  .refine((text) => isBaseUrl(text.replace(/\?[^#]*$/, '')), faulty('is not a usable address', 'Write http:// or https://, a host, and perhaps a port, a path and a query, without user name or fragment'));

/** A value that may stand inline or in a file of its own. */
interface Pair {
  readonly inline: string;
  readonly file: string;
  readonly required?: boolean;
}

/** A group in which some values stand inline or in a file: never both, and one of the two where it is required. */
export function withFiles<Shape extends z.ZodRawShape>(shape: Shape, pairs: readonly Pair[]): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape).superRefine((value, context) => {
    const given = value as Record<string, unknown>;
    for (const { inline, file, required } of pairs) {
      const both = given[inline] !== undefined && given[file] !== undefined;
      const neither = given[inline] === undefined && given[file] === undefined;
      if (both) context.addIssue({ code: 'custom', path: [file], ...faulty(`is given beside ${inline}`, `Keep one of ${inline} and ${file}`) });
      if (neither && required) context.addIssue({ code: 'custom', path: [inline], ...faulty('is missing', `Give ${inline}, or ${file} with the name of a file that holds it`) });
    }
  });
}

/** An inline secret or the name of a file that holds it: one of the two, and which one is the site's choice. */
export function oneOf<Shape extends z.ZodRawShape>(shape: Shape, inline: string, file: string): z.ZodObject<Shape, z.core.$strict> {
  return withFiles(shape, [{ inline, file, required: true }]);
}

export const secretText = z.string().min(1).max(16_384);
export const fileName = z.string().min(1).max(4_096);

const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** `key` and `keyFile` for a key in PEM form. */
export const pemFields = (whose: string): { key: z.ZodOptional<z.ZodString>; keyFile: z.ZodOptional<z.ZodString> } => ({
  key: secretText.optional().describe(`${whose}, as PEM text.`),
  keyFile: fileName.optional().describe(`File with ${lowered(whose)} as PEM, relative to the configuration file.`),
});

export const keyType = z.enum(['RSA', 'EC']).describe('RSA (2048 bits or more) or EC (P-256).');

/** A private key of ours, inline or in a file. */
export const privateKey = (whose: string) => oneOf({ type: keyType, ...pemFields(whose) }, 'key', 'keyFile');

export const trunkAddress = z
  .string()
  .refine((text) => isIP(text) !== 0 || (isIP(text.replace(/\/\d{1,3}$/, '')) !== 0 && ipaddr.isValidCIDR(text)), faulty('is not an IP address or CIDR range', 'Write an address such as 192.0.2.10 or a range such as 192.0.2.0/24'));

/** By what media is known to be somebody's. */
export const mediaSource = z.enum(['described', 'learn']);

/** An E.164 number without the spaces and signs that people write in it. */
export const bareNumber = (text: string): string => text.replace(/[\s().-]/g, '');

export const dialledNumber = z
  .string()
  .transform((text) => (text === '*' ? text : bareNumber(text)))
  .refine((text) => text === '*' || /^\+[1-9][0-9]{5,14}$/.test(text) || /^[0-9*#]{1,20}$/.test(text), {
    ...faulty('is not a number', "Write it in E.164 (+31201234567), as the trunk dials it (digits), or '*' for any number; in quotes"),
  });

export const e164 = z
  .string()
  .trim()
  .max(40)
  .refine((text) => /^\+[1-9][0-9]{5,14}$/.test(bareNumber(text)), faulty('is not an E.164 number', 'Write a plus, the country code and the number, such as "+31 20 123 4567"'));

const SIP_URI =
  /^sips?:([A-Za-z0-9_.!~*'()&=+$,;?/%-]+@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?(;[A-Za-z0-9_.!~*'()[\]/:&+$%=-]+)*$/;
export const sipUri = z
  .string()
  .max(255)
  .refine((text) => SIP_URI.test(text) && Number(/:(\d+)(;|$)/.exec(text)?.[1] ?? 1) <= 65_535, faulty('is not a SIP address', 'Write it like sip:anna@192.0.2.20:5060'));

export const passwordHash = z.string().refine(isPasswordHash, faulty('is not a password hash', 'Make one with `node dist/config/password-cli.js` and paste the line it prints'));

export const purpose = z.string().min(1).max(255);
