import { ACCEPTABLE_CHANCE, GuessingOdds, guessingSettings } from './chance.js';
import type { Problem } from './problems.js';
import type { Tenant } from './types.js';

const ACCEPTANCE = 'I accept a chance of one lucky guess a day of';
const LONGEST_CODE = 16;

type Checked = Pick<Tenant, 'name' | 'codes' | 'sessions'>;

/**
 * Whether codes can be guessed with these settings: at most one lucky guess a day in a million days, or as much as
 * somebody has accepted in words. The gateway must not start with a problem; `npm run check-config` prints them.
 */
export function checkChance(tenants: readonly Checked[]): Problem[] {
  return tenants.flatMap((tenant, index) => chanceProblem(tenant, keyPrefix(tenants, index)) ?? []);
}

/** For people: how long codes get and what a guess is worth, a short table for each tenant. */
export function chanceReport(tenants: readonly Checked[]): string {
  return tenants.map((tenant, index) => tenantReport(tenant, tenants.length > 1 || tenant.name !== 'main' ? ` of tenant ${tenant.name}` : '', keyPrefix(tenants, index))).join('\n\n');
}

function tenantReport(tenant: Checked, whose: string, prefix: string): string {
  const rows = oddsOf(tenant).rows(tenant.sessions.maxLive);
  const column = (values: string[], title: string): string[] => [title, ...values].map((text, _, all) => text.padStart(Math.max(...all.map(({ length }) => length))));
  const live = column(rows.map((row) => row.liveCodes.toLocaleString('en')), 'codes alive, at most');
  const digits = column(rows.map((row) => String(row.digits)), 'digits to type');
  const chance = column(rows.map((row) => oneIn(row.chance)), 'a lucky guess in a day, at worst');
  const lines = [`Guessing codes${whose}:`, ...live.map((text, line) => `  ${text}   ${digits[line]}   ${chance[line]}`)];
  if (worstOf(tenant) > ACCEPTABLE_CHANCE) lines.push(`WARNING: ${prefix}codes.acceptedChance accepts codes that are easier to guess than one in a million a day (${oneIn(worstOf(tenant))}).`);
  return lines.join('\n');
}

function chanceProblem(tenant: Checked, prefix: string): Problem | undefined {
  const worst = worstOf(tenant);
  const text = tenant.codes.acceptedChance;
  const accepted = text === undefined ? undefined : acceptedIn(text);
  if (text !== undefined && accepted === undefined) {
    return { key: `${prefix}codes.acceptedChance`, fault: 'is not in the words that are asked for', fix: worst > ACCEPTABLE_CHANCE ? `Write ${acceptanceOf(worst)}` : 'Remove it; these settings need no acceptance' };
  }
  if (worst <= Math.max(ACCEPTABLE_CHANCE, accepted ?? 0)) return undefined;
  if (accepted !== undefined) return { key: `${prefix}codes.acceptedChance`, fault: `accepts less than the chance these settings have, which is ${oneIn(worst)}`, fix: `Write ${acceptanceOf(worst)}` };
  const remedies = remediesFor(tenant, prefix);
  return {
    key: remedies.key,
    fault: `makes codes too easy to guess: the chance of one lucky guess in a day is up to ${oneIn(worst)}, and more than 1 in 1,000,000 is refused`,
    fix: `${remedies.fix}. Or accept it in words, as ${prefix}codes.acceptedChance: ${acceptanceOf(worst)}`,
  };
}

/** The least change that helps, tried out. */
function remediesFor(tenant: Checked, prefix: string): { key: string; fix: string } {
  const { codes, sessions } = tenant;
  const mostLive = Math.floor(largest(sessions.maxLive, (live) => oddsOf(tenant).chance(live) <= ACCEPTABLE_CHANCE));
  const fewer = mostLive > 0 ? `lower ${prefix}sessions.maxLive to ${mostLive}` : undefined;
  for (let maxDigits = codes.maxDigits + 1; maxDigits <= LONGEST_CODE; maxDigits += 1) {
    if (worstOf({ ...tenant, codes: { ...codes, maxDigits } }) > ACCEPTABLE_CHANCE) continue;
    return { key: `${prefix}codes.maxDigits`, fix: `Raise it to ${maxDigits}${fewer ? `, or ${fewer}` : ''}` };
  }
  if (fewer) return { key: `${prefix}sessions.maxLive`, fix: `Lower it to ${mostLive}${codes.maxDigits < LONGEST_CODE ? `, or raise ${prefix}codes.maxDigits to ${LONGEST_CODE} and see how far that takes you` : ''}` };
  return { key: `${prefix}codes.guesses`, fix: 'Raise paceSeconds, lower freeInTotal, or raise windowSeconds' };
}

/** The largest whole number up to `most` that holds, when all smaller ones hold too; 0 when none does. */
function largest(most: number, holds: (value: number) => boolean): number {
  let [yes, no] = [0, most + 1];
  while (no - yes > 1) {
    const middle = Math.floor((yes + no) / 2);
    if (holds(middle)) yes = middle;
    else no = middle;
  }
  return yes;
}

/** In quotes, so that a copy of it does not take the end of our sentence along. */
function acceptanceOf(chance: number): string {
  return `"${ACCEPTANCE} ${roundedUp(chance)}"`;
}

function acceptedIn(text: string): number | undefined {
  const [, number] = new RegExp(`^${ACCEPTANCE} (0?\\.[0-9]{1,20}|[0-9](?:\\.[0-9]{1,20})?e-[0-9]{1,2}|1)$`).exec(text.trim()) ?? [];
  return number === undefined ? undefined : Number(number);
}

function oddsOf(tenant: Checked): GuessingOdds {
  return new GuessingOdds(guessingSettings(tenant));
}

function worstOf(tenant: Checked): number {
  return oddsOf(tenant).chance(tenant.sessions.maxLive);
}

function keyPrefix(tenants: readonly Checked[], index: number): string {
  return tenants.length === 1 && tenants[index]!.name === 'main' ? '' : `tenants[${index}].`;
}

/** `1 in 1,240,000`: three digits, rounded to the likelier side. */
function oneIn(chance: number): string {
  const odds = Math.max(1, 1 / chance);
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(odds)) - 2);
  return `1 in ${(Math.floor(odds / unit) * unit).toLocaleString('en', { maximumFractionDigits: 0 })}`;
}

/** A plain number of two digits that is not below `chance`: `0.00017`. */
function roundedUp(chance: number): string {
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(chance)));
  const text = (Math.ceil(chance * 10 ** decimals) / 10 ** decimals).toFixed(Math.min(20, decimals));
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
