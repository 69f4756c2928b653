import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HttpFeedback, type FeedbackOptions, type FeedbackOutcome } from '../../../core-bridge/feedback/http-feedback.js';
import { freePort } from '../../peers/ports.js';
import { sleep, until } from '../../peers/wait.js';
import { keepingLog } from '../fixtures.js';

/** An authentication plugin that hears of its sessions; what it answers is up to each test. */
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let server: Server;
let base = '';
let heard: { method: string; url: string; body: string; cookie?: string | undefined }[] = [];
let feedback: HttpFeedback;
let outcomes: FeedbackOutcome[] = [];
let kept = keepingLog();

const words = (): string[] => heard.map(({ url }) => new URL(url, base).searchParams.get('type') ?? '');

function start(options: Partial<FeedbackOptions> = {}): void {
  feedback = new HttpFeedback({
    everyMs: 60_000, attempts: 3, timeoutMs: 5_000, firstRetryMs: 10, log: kept.log,
    onOutcome: (outcome) => outcomes.push(outcome), ...options,
  });
}

beforeEach(async () => {
  answer = (_request, response) => void response.writeHead(204).end();
  heard = [];
  outcomes = [];
  kept = keepingLog();
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => { body += chunk.toString(); });
    request.on('end', () => {
      heard.push({ method: request.method ?? '', url: request.url ?? '', body, cookie: request.headers.cookie });
      answer(request, response);
    });
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await feedback?.close();
  server.closeAllConnections();
  await new Promise((resolve) => { server.close(resolve); });
});

describe('what is said', () => {
  it('user_active at the code and at meaningful moments, logout at the end, and nothing after it', async () => {
    start();
    feedback.follow('call', `${base}/session/secret`);
    await until(() => heard.length === 1, 'the first word');
    feedback.active('call');
    await until(() => heard.length === 2, 'the second word');
    feedback.done('call');
    await until(() => outcomes.length === 3, 'the last word');
    feedback.active('call');
    feedback.talking('call');
    feedback.done('call');
    await feedback.close();
    expect(words()).toEqual(['user_active', 'user_active', 'logout']);
    expect(heard.map(({ method, body }) => [method, body])).toEqual(Array(3).fill(['POST', '']));
    expect(outcomes).toEqual(['delivered', 'delivered', 'delivered']);
  });

  it('keeps the address’s own query as it is spelled, and its path', async () => {
    start();
    feedback.follow('call', `${base}/s%20x/?a=b%20c&type=own&empty=#part`);
    await until(() => heard.length === 1, 'the word');
    expect(heard[0]?.url).toBe('/s%20x/?a=b%20c&type=own&empty=&type=user_active');
  });

  it('again and again while they talk, until the end', async () => {
    start({ everyMs: 30 });
    feedback.follow('call', `${base}/s`);
    feedback.talking('call');
    await until(() => heard.length >= 4, 'four words');
    feedback.done('call');
    await until(() => words().includes('logout'), 'the logout');
    const count = heard.length;
    await sleep(100);
    expect(heard.length).toBe(count);
  });

  it('to each address of a call, and once to one that is named twice', async () => {
    start();
    feedback.follow('call', `${base}/one`);
    await until(() => outcomes.length === 1, 'the first');
    feedback.follow('call', `${base}/two`);
    await until(() => outcomes.length === 3, 'both');
    feedback.follow('call', `${base}/two`);
    await until(() => outcomes.length === 5, 'both again');
    feedback.done('call');
    await feedback.close();
    expect(heard.filter(({ url }) => url === '/one?type=logout')).toHaveLength(1);
    expect(heard.filter(({ url }) => url === '/two?type=logout')).toHaveLength(1);
  });

  it('nothing more of a call that was forgotten', async () => {
    start({ everyMs: 20 });
    feedback.follow('call', `${base}/s`);
    feedback.talking('call');
    await until(() => heard.length >= 2, 'some words');
    feedback.forget('call');
    // Several times as long as between two words.
    const isQuiet = async (): Promise<boolean> => {
      const before = heard.length;
      await sleep(150);
      return outcomes.length === heard.length && heard.length === before;
    };
    await until(isQuiet, 'what was under way');
    const count = heard.length;
    feedback.done('call');
    await sleep(80);
    expect(heard.length).toBe(count);
    expect(words()).not.toContain('logout');
  });
});

describe('failures', () => {
  it('are tried again, and no more often than configured', async () => {
    start();
    answer = (_request, response) => void response.writeHead(heard.length < 3 ? 503 : 200).end();
    feedback.follow('call', `${base}/s`);
    await until(() => outcomes.length === 1, 'the outcome');
    expect([heard.length, outcomes]).toEqual([3, ['delivered']]);

    answer = (_request, response) => void response.writeHead(500).end();
    feedback.done('call');
    await until(() => outcomes.length === 2, 'the end of trying');
    expect([words().slice(3), outcomes[1]]).toEqual([['logout', 'logout', 'logout'], 'failed']);
  });

  it.each([408, 429])('status %i is tried again', async (status) => {
    start();
    answer = (_request, response) => void response.writeHead(heard.length === 1 ? status : 200).end();
    feedback.follow('call', `${base}/s`);
    await until(() => outcomes[0] === 'delivered', 'the second try');
    expect(heard).toHaveLength(2);
  });

  it.each([400, 404, 410, 301, 307])('status %i is final and followed nowhere', async (status) => {
    start();
    answer = (_request, response) => void response.writeHead(status, { location: `${base}/elsewhere`, 'set-cookie': 'a=b' }).end();
    feedback.follow('call', `${base}/s`);
    await until(() => outcomes.length === 1, 'the outcome');
    feedback.done('call');
    await until(() => outcomes.length === 2, 'the logout');
    expect(outcomes).toEqual(['refused', 'refused']);
    expect(heard.map(({ url, cookie }) => [url, cookie])).toEqual([['/s?type=user_active', undefined], ['/s?type=logout', undefined]]);
  });

  it('a connection that breaks or is refused counts as one', async () => {
    start({ attempts: 2 });
    answer = (request) => void request.socket.destroy();
    feedback.follow('breaks', `${base}/s`);
    feedback.follow('nobody there', `http://127.0.0.1:${await freePort()}/s`);
    await until(() => outcomes.length === 2, 'the outcomes');
    expect([outcomes, heard.length]).toEqual([['failed', 'failed'], 2]);
  });

  it('a plugin that does not answer is given up after the time-out', async () => {
    start({ timeoutMs: 50, attempts: 1 });
    answer = () => undefined;
    feedback.follow('call', `${base}/s`);
    await until(() => outcomes[0] === 'failed', 'the time-out');
  });

  it('an endless answer is not read', async () => {
    start();
    let hungUp = false;
    answer = (request, response) => {
      request.socket.on('close', () => { hungUp = true; });
      response.writeHead(200);
      const more = (): void => { while (response.write(Buffer.alloc(65_536))); response.once('drain', more); };
      more();
    };
    feedback.follow('call', `${base}/s`);
    await until(() => hungUp && outcomes[0] === 'delivered', 'the connection to end');
  });

  it.each(['ftp://127.0.0.1/s', 'file:///etc/passwd', 'no address', 'http://user:canary@127.0.0.1/s'])('the address %s is not used', async (url) => {
    start();
    feedback.follow('call', url);
    await until(() => outcomes[0] === 'refused', 'the refusal');
    expect(kept.lines.join('')).not.toContain('canary');
  });
});

describe('bounds', () => {
  it('words that pile up behind a slow plugin become one, and logout goes before what failed', async () => {
    start({ firstRetryMs: 60_000 });
    const waiting: ServerResponse[] = [];
    answer = (_request, response) => void waiting.push(response);
    feedback.follow('call', `${base}/s`);
    await until(() => waiting.length === 1, 'the first word');
    for (let i = 0; i < 50; i += 1) feedback.active('call');
    waiting[0]?.writeHead(200).end();
    await until(() => waiting.length === 2, 'the one that stands for fifty');
    waiting[1]?.writeHead(503).end();
    answer = (_request, response) => void response.writeHead(200).end();
    await until(() => kept.lines.length === 1, 'the first outcome');
    // The failed word now waits a minute for its second try; logout does not.
    feedback.done('call');
    await until(() => words().includes('logout'), 'the logout');
    expect(words()).toEqual(['user_active', 'user_active', 'logout']);
  });

  it('more addresses than allowed are dropped, and said so', async () => {
    start({ maxAddresses: 2 });
    for (const call of ['a', 'b', 'c']) feedback.follow(call, `${base}/${call}`);
    await until(() => outcomes.length === 3, 'the outcomes');
    expect([...outcomes].sort()).toEqual(['delivered', 'delivered', 'dropped']);
    feedback.done('a');
    await until(() => outcomes.length === 4, 'room again');
    feedback.follow('c', `${base}/c`);
    await until(() => heard.some(({ url }) => url === '/c?type=user_active'), 'the third');
  });

  it('only so many requests at once', async () => {
    start({ maxAtOnce: 2 });
    const waiting: ServerResponse[] = [];
    let most = 0;
    answer = (_request, response) => { most = Math.max(most, waiting.push(response)); };
    for (let i = 0; i < 6; i += 1) feedback.follow(`call ${i}`, `${base}/${i}`);
    while (heard.length < 6 || waiting.length > 0) {
      await until(() => waiting.length > 0, 'a request');
      waiting.shift()?.writeHead(200).end();
    }
    await until(() => outcomes.length === 6, 'the outcomes');
    expect(most).toBeLessThanOrEqual(2);
  });
});

describe('the end', () => {
  it('waits for a logout that is under way, its retries included', async () => {
    start();
    answer = (_request, response) => void response.writeHead(heard.length < 3 ? 500 : 200).end();
    feedback.follow('call', `${base}/s`);
    feedback.done('call');
    await feedback.close();
    expect(words().at(-1)).toBe('logout');
    expect(outcomes.at(-1)).toBe('delivered');
  });

  it('does not wait for a plugin that hangs, twice asked is once done, and nothing starts after it', async () => {
    start({ closeMs: 100 });
    answer = () => undefined;
    feedback.follow('call', `${base}/s`);
    await until(() => heard.length === 1, 'the request');
    feedback.done('call');
    await Promise.all([feedback.close(), feedback.close()]);
    expect(outcomes).toEqual(['dropped']);
    feedback.follow('later', `${base}/s`);
    feedback.talking('call');
    expect(heard).toHaveLength(1);
  });
});

it('the log says which call and what became of it, never the address', async () => {
  start({ attempts: 2 });
  answer = (_request, response) => void response.writeHead(500).end();
  feedback.follow('call-7', `${base}/session/canary?token=canary`);
  await until(() => outcomes.length === 1, 'the outcome');
  expect(JSON.parse(kept.lines[0] ?? '{}')).toMatchObject({ callId: 'call-7', feedback: 'user_active', outcome: 'failed', status: 500, attempts: 2 });
  expect(kept.lines.join('')).not.toMatch(/canary|127\.0\.0\.1/);
});
