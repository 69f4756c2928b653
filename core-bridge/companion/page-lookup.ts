import { createHash } from 'node:crypto';
import type { Language } from '../language.js';
import type { ProgressBoards } from '../progress/progress.js';
import type { SessionVault } from '../vault/vault.js';
import type { Known } from './view.js';

/** What the citizen's page needs of one municipality. */
export interface CompanionTenant {
  /** What citizens read: "Gemeente Zutphen". */
  readonly displayName: string;
  /** E.164 with its plus, without spaces. */
  readonly phoneNumber: string;
  /** The same for people to read. */
  readonly phoneNumberShown: string;
  readonly vault: Pick<SessionVault, 'onPage' | 'extend'>;
  readonly boards: Pick<ProgressBoards, 'read' | 'watch' | 'post'>;
  /** The language that is spoken to callers with this purpose; without one, to most. */
  languageOf(purpose?: string): Language;
}

/** A page that exists, or did a moment ago. */
export interface FoundPage extends Known {
  readonly tenant: CompanionTenant;
  readonly board: string;
}

/** The form of a page's token: 32 bytes as base64url. Anything else is not looked up. */
const PAGE_TOKEN = /^[A-Za-z0-9_-]{43}$/;

export function isPageToken(text: string): boolean {
  return PAGE_TOKEN.test(text);
}

/** The name of the board that belongs to a page: it can be read when the session is gone. */
export function boardOf(pageToken: string): string {
  return createHash('sha256').update(pageToken).digest('base64url');
}

/** @throws VaultError `store_unreachable` */
export async function lookAt(tenant: CompanionTenant, pageToken: string): Promise<FoundPage> {
  const board = boardOf(pageToken);
  // The session first: what is posted while it ends is then seen, and a receipt never missed.
  const session = await tenant.vault.onPage(pageToken);
  const entries = await tenant.boards.read(board);
  return { tenant, board, session, entries };
}

/**
 * Finds the municipality a page belongs to: a token says nothing about that.
 * @returns undefined when it belongs to none, or its session ended so long ago that the receipt is gone too
 * @throws VaultError `store_unreachable`
 */
export async function findPage(tenants: readonly CompanionTenant[], pageToken: string): Promise<FoundPage | undefined> {
  const looks = await Promise.allSettled(tenants.map((tenant) => lookAt(tenant, pageToken)));
  for (const look of looks) {
    if (look.status === 'fulfilled' && (look.value.session || look.value.entries.length > 0)) return look.value;
  }
  const failed = looks.find((look) => look.status === 'rejected');
  if (failed) throw failed.reason;
  return undefined;
}
