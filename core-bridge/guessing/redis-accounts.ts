import { z } from 'zod';
import type { RedisLink } from '../redis/connect.js';
import { LuaScript } from '../redis/script.js';
import { ASK_EVERY_MS, ASK_SOON_MS, DEAD_AFTER_MS, GRANTED_WITHIN_SECONDS, LONGEST_LINE, MOST_IN_TOTAL, MOST_OF_CALLER, mostOfTrunk, UNSETTLED_AFTER_MS, type AccountLimits, type Accounts, type Turn, type TurnAnswer } from './accounts.js';
import type { AttemptOutcome } from './guessing.js';

/** Begins every script. The clock is Redis's, so that nodes whose clocks differ still count alike; tests bring their own. */
const PRELUDE = `
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function remember(log, member, most)
  redis.call('ZADD', log, now, member)
  redis.call('ZREMRANGEBYRANK', log, 0, -(most + 1))
end
local function count(log, windowMs)
  redis.call('ZREMRANGEBYSCORE', log, '-inf', now - windowMs)
  return redis.call('ZCARD', log)
end
local function wrongInWindow(wrong, unsettled, windowMs)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', unsettled, '-inf', now - ${UNSETTLED_AFTER_MS})) do
    redis.call('ZREM', unsettled, id)
    remember(wrong, id, ${MOST_IN_TOTAL})
    redis.call('PEXPIRE', wrong, windowMs)
  end
  return count(wrong, windowMs)
end
`;

/** Longest base of live codes of one length: fields of KEYS are '<length>:<base>', values the ms until which they count. */
const IN_USE = `
local function basesInUse(inUse)
  local bases = {}
  local all = redis.call('HGETALL', inUse)
  for i = 1, #all, 2 do
    if tonumber(all[i + 1]) <= now then redis.call('HDEL', inUse, all[i])
    else
      local digits, base = string.match(all[i], '^(%d+):(%d+)$')
      digits, base = tonumber(digits), tonumber(base)
      bases[digits] = math.max(bases[digits] or 0, base)
    end
  end
  return bases
end
`;

const TAKE = new LuaScript(`${PRELUDE}${IN_USE}
local wrong, unsettled, inUse, lines, caller, trunk = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local id, waitedMs, typedDigits, windowMs = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local freeInTotal, freePerNumber, freePerTrunk, mostOfTrunk = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local longest, firstGap = tonumber(ARGV[10]), 11

local wrongOfCaller = count(caller, windowMs)
local heldBack = (wrongOfCaller == 0 and 0 or math.min(30000, 1000 * 2 ^ (wrongOfCaller - 1))) - waitedMs
if heldBack > 0 then return {0, math.ceil(math.min(heldBack, ${ASK_EVERY_MS}))} end

local total = wrongInWindow(wrong, unsettled, windowMs) + redis.call('ZCARD', unsettled)
if not (total < freeInTotal and wrongOfCaller < freePerNumber and count(trunk, windowMs) < freePerTrunk) then
  local base = basesInUse(inUse)[typedDigits]
  -- What a node with another configuration noted may lie outside ours.
  local extra = math.max(0, math.min(base and typedDigits - base or 0, #ARGV - firstGap))
  local gapMs = tonumber(ARGV[firstGap + extra])
  -- Two keys for each line after the first six: the longest codes' line, then those by extra digits.
  local name, at = tostring(extra), 7 + 2 * (extra + 1)
  if typedDigits == longest then name, at = '${LONGEST_LINE}', 7 end
  local waiting, seen = KEYS[at], KEYS[at + 1]
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', seen, '-inf', now - ${DEAD_AFTER_MS})) do
    redis.call('ZREM', seen, dead)
    redis.call('ZREM', waiting, dead)
  end
  -- The cleanest record first, then first come, first served.
  redis.call('ZADD', waiting, wrongOfCaller * 1e13 + now - waitedMs, id)
  redis.call('ZADD', seen, now, id)
  redis.call('PEXPIRE', waiting, ${2 * DEAD_AFTER_MS})
  redis.call('PEXPIRE', seen, ${2 * DEAD_AFTER_MS})
  local freeAt = tonumber(redis.call('HGET', lines, name .. ':free') or '0')
  if freeAt > now then return {0, math.ceil(math.min(freeAt - now, ${ASK_EVERY_MS}))} end
  if redis.call('ZRANGE', waiting, 0, 0)[1] ~= id then return {0, ${ASK_SOON_MS}} end
  redis.call('HSET', lines, name .. ':free', now + gapMs, name .. ':holder', id)
  redis.call('PEXPIRE', lines, windowMs)
  redis.call('ZREM', waiting, id)
  redis.call('ZREM', seen, id)
end
redis.call('ZADD', unsettled, now, id)
redis.call('PEXPIRE', unsettled, windowMs)
remember(caller, id, ${MOST_OF_CALLER})
redis.call('PEXPIRE', caller, windowMs)
remember(trunk, id, mostOfTrunk)
redis.call('PEXPIRE', trunk, windowMs)
return {1, 0}
`);

const SETTLE = new LuaScript(`${PRELUDE}
local wrong, unsettled, lines, caller, trunk = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, outcome, windowMs = ARGV[2], ARGV[3], tonumber(ARGV[4])
redis.call('ZREM', unsettled, id)
if outcome == 'wrong' then
  remember(wrong, id, ${MOST_IN_TOTAL})
  redis.call('PEXPIRE', wrong, windowMs)
else
  redis.call('ZREM', wrong, id)
  redis.call('ZREM', trunk, id)
  local all = redis.call('HGETALL', lines)
  for i = 1, #all, 2 do
    local name = string.match(all[i], '^(.*):holder$')
    if name and all[i + 1] == id then redis.call('HSET', lines, name .. ':free', now) end
  end
  if outcome ~= 'stale' then redis.call('ZREM', caller, id) end
end
return wrongInWindow(wrong, unsettled, windowMs)
`);

const LEAVE = new LuaScript(`
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end
`);

/** Counts a length as given out. Answers how many were before it, a moment ago, and how many wrong codes the window holds. */
const GRANT = new LuaScript(`${PRELUDE}
local wrong, unsettled, granted = KEYS[1], KEYS[2], KEYS[3]
local second, before = math.floor(now / 1000), 0
local all = redis.call('HGETALL', granted)
for i = 1, #all, 2 do
  if tonumber(all[i]) < second - ${GRANTED_WITHIN_SECONDS} then redis.call('HDEL', granted, all[i]) else before = before + tonumber(all[i + 1]) end
end
redis.call('HINCRBY', granted, second, 1)
redis.call('PEXPIRE', granted, ${(GRANTED_WITHIN_SECONDS + 1) * 1_000})
return {before, wrongInWindow(wrong, unsettled, tonumber(ARGV[2]))}
`);

const USE = new LuaScript(`${PRELUDE}
redis.call('HSET', KEYS[1], ARGV[2], now + ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
`);

const LENGTHS = new LuaScript(`${PRELUDE}${IN_USE}
local lengths = {}
for digits in pairs(basesInUse(KEYS[1])) do lengths[#lengths + 1] = digits end
return lengths
`);

const takeAnswer = z.tuple([z.number(), z.number()]);
const settleAnswer = z.number();
const grantAnswer = z.tuple([z.number(), z.number()]);
const lengthsAnswer = z.array(z.number());

export interface RedisAccountsOptions extends AccountLimits {
  /** Begins every key; names the tenant, in braces, so that all of them share a slot in a Cluster. */
  readonly prefix: string;
  /** Clock, in ms since 1970; for tests. Redis's own when left out. */
  readonly now?: () => number;
}

/** Accounts in Redis, one for all nodes. Holds keyed hashes of numbers, times, and nothing that lasts longer than the window or the codes. */
export class RedisAccounts implements Accounts {
  readonly #link: RedisLink;
  readonly #options: RedisAccountsOptions;

  constructor(link: RedisLink, options: RedisAccountsOptions) {
    this.#link = link;
    this.#options = options;
  }

  async take(turn: Turn, waitedMs: number): Promise<TurnAnswer> {
    const { odds, windowMs, freePerNumber, freePerTrunk } = this.#options;
    const keys = [...this.#keys('wrong', 'unsettled', 'inUse', 'lines'), this.#callerKey(turn), this.#trunkKey(turn), ...this.#lineKeys()];
    const gaps = odds.gapSeconds.map((seconds) => Math.round(seconds * 1_000));
    const args = [Math.round(waitedMs), turn.typedDigits, windowMs, odds.freeInTotal, freePerNumber, freePerTrunk, mostOfTrunk(this.#options), odds.maxDigits, ...gaps];
    const [taken, againInMs] = takeAnswer.parse(await this.#run(TAKE, keys, [turn.id, ...args]));
    return taken === 1 ? { taken: true } : { taken: false, againInMs };
  }

  async settle(turn: Turn, outcome: AttemptOutcome): Promise<{ wrongInWindow: number }> {
    const keys = [...this.#keys('wrong', 'unsettled', 'lines'), this.#callerKey(turn), this.#trunkKey(turn)];
    return { wrongInWindow: settleAnswer.parse(await this.#run(SETTLE, keys, [turn.id, outcome, this.#options.windowMs])) };
  }

  async leave(turn: Turn): Promise<void> {
    await this.#link.run((client) => LEAVE.run(client, this.#lineKeys(), [turn.id]));
  }

  async nextLength(liveCodes: number): Promise<{ digits: number; wrongInWindow: number }> {
    const { odds, windowMs, codesLastMs } = this.#options;
    const [before, wrongInWindow] = grantAnswer.parse(await this.#run(GRANT, this.#keys('wrong', 'unsettled', 'granted'), [windowMs]));
    const base = odds.baseDigits(liveCodes + before + 1);
    const digits = Math.min(odds.maxDigits, base + odds.stageAfter(wrongInWindow));
    await this.#run(USE, this.#keys('inUse'), [`${digits}:${base}`, codesLastMs]);
    return { digits, wrongInWindow };
  }

  async lengthsInUse(): Promise<{ shortest: number; longest: number }> {
    const lengths = lengthsAnswer.parse(await this.#run(LENGTHS, this.#keys('inUse'), []));
    if (lengths.length === 0) lengths.push(this.#options.odds.baseDigits(1));
    return { shortest: Math.min(...lengths), longest: Math.max(...lengths) };
  }

  #run(script: LuaScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#link.run((client) => script.run(client, keys, [this.#options.now ? this.#options.now() : -1, ...args]));
  }

  #keys(...names: readonly string[]): string[] {
    return names.map((name) => `${this.#options.prefix}:${name}`);
  }

  #callerKey({ caller }: Turn): string {
    return `${this.#options.prefix}:caller:${caller}`;
  }

  #trunkKey({ trunk }: Turn): string {
    return `${this.#options.prefix}:trunk:${trunk}`;
  }

  #lineKeys(): string[] {
    const names = [LONGEST_LINE, ...this.#options.odds.gapSeconds.keys()];
    return names.flatMap((name) => this.#keys(`waiting:${name}`, `seen:${name}`));
  }
}
