import { LuaScript } from '../redis/script.js';

/*
 * A session is one hash: `body` (what never changes, JSON), `until` (expiresAtMs), `ends` (when it is over, whoever
 * holds it), `coded` (1: there is a code to come back with), `call` and `held` (who holds it, or held it last), `try`
 * (number of that call's try to claim), `result`. Whether it is over is decided by the caller's clock, ARGV[1]: every
 * end was set by a gateway's clock, the citizen was told it, and a Redis whose clock is wrong changes nothing. Redis's
 * own expiry, always set as a span, frees what nobody looked at.
 */

const live = `local ends = redis.call('HGET', KEYS[1], 'ends')
local live = ends and tonumber(ends) > tonumber(ARGV[1])
`;

/** ARGV: body, until, ends, coded, call or '', ttl. */
export const putSession = new LuaScript(`redis.call('HSET', KEYS[1], 'body', ARGV[1], 'until', ARGV[2], 'ends', ARGV[3], 'coded', ARGV[4])
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'call', ARGV[5], 'held', '1') end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1`);

/** ARGV: now, end, ttl. Answers the body when the end was moved, or nil. */
export const moveEnd = new LuaScript(`${live}if not live or redis.call('HGET', KEYS[1], 'held') == '1' then return false end
redis.call('HSET', KEYS[1], 'until', ARGV[2], 'ends', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('HGET', KEYS[1], 'body')`);

/** ARGV: now, result, channel, session id. */
export const putResult = new LuaScript(`${live}if not live then return 'unknown' end
if redis.call('HSETNX', KEYS[1], 'result', ARGV[2]) == 0 then return 'duplicate' end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 'accepted'`);

/** ARGV: now, call, end of the hold, ttl, try. Answers over | other, body | held, new (1 or 0), fields of the hash. */
export const claimSession = new LuaScript(`${live}if not live then return {'over'} end
local state = redis.call('HMGET', KEYS[1], 'held', 'call', 'body', 'try')
if state[1] == '1' and state[2] ~= ARGV[2] then return {'other', state[3]} end
local new = 0
if state[1] ~= '1' then
  new = 1
  redis.call('HSET', KEYS[1], 'held', '1', 'call', ARGV[2], 'ends', ARGV[3], 'try', ARGV[5])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
elseif tonumber(state[4] or '0') < tonumber(ARGV[5]) then
  redis.call('HSET', KEYS[1], 'try', ARGV[5])
end
return {'held', new, redis.call('HGETALL', KEYS[1])}`);

/** ARGV: now, call, then the calls that may hold it. Answers no | taken, fields of the hash. Who holds it already takes it again. */
export const handSession = new LuaScript(`${live}local state = redis.call('HMGET', KEYS[1], 'held', 'call')
if not live or state[1] ~= '1' then return {'no'} end
for i = 2, #ARGV do
  if state[2] == ARGV[i] then
    redis.call('HSET', KEYS[1], 'call', ARGV[2])
    return {'taken', redis.call('HGETALL', KEYS[1])}
  end
end
return {'no'}`);

/**
 * ARGV: now, call, try, channel, session id. As if this call had not tried, up to that time; what a later try got stands.
 * Answers no | kept, body, end | gone, body.
 */
export const unclaimSession = new LuaScript(`local state = redis.call('HMGET', KEYS[1], 'held', 'call', 'body', 'until', 'try')
if state[1] ~= '1' or state[2] ~= ARGV[2] or tonumber(state[5] or '0') > tonumber(ARGV[3]) then return {'no'} end
local left = tonumber(state[4]) - tonumber(ARGV[1])
if left <= 0 then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[4], ARGV[5])
  return {'gone', state[3]}
end
redis.call('HSET', KEYS[1], 'held', '0', 'ends', state[4])
redis.call('PEXPIRE', KEYS[1], math.ceil(left))
return {'kept', state[3], state[4]}`);

/** ARGV: now, call, end of the grace, ttl, channel, session id. Answers no | kept, body, end | gone, body. */
export const releaseSession = new LuaScript(`${live}local state = redis.call('HMGET', KEYS[1], 'held', 'call', 'body', 'coded')
if not live or state[1] ~= '1' or state[2] ~= ARGV[2] then return {'no'} end
if tonumber(ARGV[3]) <= tonumber(ARGV[1]) or state[4] ~= '1' then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[5], ARGV[6])
  return {'gone', state[3]}
end
redis.call('HSET', KEYS[1], 'held', '0', 'until', ARGV[3], 'ends', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'kept', state[3], ARGV[3]}`);

/** ARGV: call, channel, session id. Answers the body of what was removed, or nil. */
export const removeSession = new LuaScript(`local state = redis.call('HMGET', KEYS[1], 'call', 'body')
if not state[1] or state[1] ~= ARGV[1] then return false end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return state[2]`);

/*
 * Seats: two sorted sets of one tenant, live and claimed sessions by their ends. They count; what a session is, its own
 * key says. A node that dies between the two leaves a seat that is free again when the session would have ended.
 */

/** How many ended seats are taken away at one time: Redis does nothing else meanwhile. */
const SWEEP = 1_000;

/** ARGV: now, most, session id, end, claimed (1 or 0), ttl. Answers 1 when there was a seat. */
export const takeSeat = new LuaScript(`for i = 1, 2 do
  local over = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', ARGV[1], 'LIMIT', 0, ${SWEEP})
  if #over > 0 then redis.call('ZREM', KEYS[i], unpack(over)) end
end
if redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[1], '+inf') >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[3])
if ARGV[5] == '1' then redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3]) end
for i = 1, 2 do redis.call('PEXPIRE', KEYS[i], ARGV[6]) end
return 1`);

/** ARGV: session id, end, claimed (1 or 0), ttl. */
export const moveSeat = new LuaScript(`redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
if ARGV[3] == '1' then redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1]) else redis.call('ZREM', KEYS[2], ARGV[1]) end
for i = 1, 2 do redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
return 1`);

/** ARGV: session id. */
export const freeSeat = new LuaScript(`redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1`);

/** ARGV: now. Answers live, claimed. */
export const countSeats = new LuaScript(`return {redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[1], '+inf'), redis.call('ZCOUNT', KEYS[2], '(' .. ARGV[1], '+inf')}`);
