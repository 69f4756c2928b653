/** The auditor's pages on the agents' listener: `/audit` to look, `/audit/export` to take a copy. Both are recorded. */
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { z } from 'zod';
import { html, type Html } from '../../core-bridge/html.js';
import { pageFrame } from '../sign-in/page-frame.js';
import { languageOf } from '../sign-in/texts.js';
import type { Session, SignIn } from '../sign-in/sign-in.js';
import type { Audit } from './audit.js';
import { entries, newestEntries, type Entry, type EntryFilter } from './entries.js';
import { cells, exported, exportFormats } from './export.js';
import { dayOf } from './files.js';
import { momentOf } from './period.js';
import { actWords, whyWords, words, type PageLanguage } from './words.js';

export interface AuditPagesOptions {
  readonly signIn: SignIn;
  readonly audit: Audit;
  /** True where the gateway serves one municipality: its auditor also sees what belongs to none, such as starts and refusals. */
  readonly single: boolean;
  readonly log: Logger;
}

/** Lines on the page; a download holds all of them. */
const shownAtOnce = 200;
/** Reading through a year of files takes the disk and the processor from calls. */
const readersAtOnce = 2;

const given = z.string().trim().max(100).transform((text) => (text === '' ? undefined : text)).optional();
const querySchema = z.object({ from: given, to: given, call: given, agent: given, act: given });
const exportSchema = querySchema.extend({ format: z.enum(exportFormats).default('csv') });
type Query = z.infer<typeof querySchema>;

/** Undefined when a day is none. */
function filterOf(query: Query, tenant: string | undefined): EntryFilter | undefined {
  const from = query.from === undefined ? undefined : momentOf(query.from);
  const to = query.to === undefined ? undefined : momentOf(query.to, true);
  if ((query.from !== undefined && from === undefined) || (query.to !== undefined && to === undefined)) return undefined;
  return { from, to, call: query.call, agent: query.agent, tenant, acts: query.act === undefined ? undefined : [query.act] };
}

/** What was asked for, as it is recorded. */
const asked = (query: Query): Record<string, string> => Object.fromEntries(Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined));

export function auditPages({ signIn, audit, single, log }: AuditPagesOptions): FastifyPluginAsync {
  return async (app) => {
    const { trail } = audit;
    if (!trail) return;
    signIn.homeFor('auditor', '/audit');
    const css = await readFile(fileURLToPath(new URL('./pages/audit.css', import.meta.url)), 'utf8');
    let readers = 0;

    /** Writes down who looks before they see anything; answers the request itself when it cannot. */
    const admitted = async (request: FastifyRequest, reply: FastifyReply, act: { act: 'looked' } | { act: 'exported'; format: (typeof exportFormats)[number] }, query: Query): Promise<boolean> => {
      const { name, tenant } = signIn.here(request).principal;
      if (readers >= readersAtOnce) {
        await reply.code(503).header('retry-after', '10').send({ error: 'busy', message: 'Others are reading. Try again in ten seconds.' });
        return false;
      }
      try {
        await audit.record({ ...act, tenant, agent: name, filter: asked(query) });
        return true;
      } catch (error) {
        log.error({ err: error }, 'who looks at the audit trail cannot be recorded: refused');
        await reply.code(503).send({ error: 'audit_unwritable', message: 'That you look here cannot be recorded now, so it is not shown.' });
        return false;
      }
    };
    const scopeOf = (request: FastifyRequest): string | undefined => (single ? undefined : signIn.here(request).principal.tenant);

    app.get('/audit', { preHandler: signIn.pageFor('auditor') }, async (request, reply) => {
      const language = languageOf(request.headers['accept-language']);
      const held = querySchema.safeParse(request.query);
      const query = held.success ? held.data : {};
      // Without a choice: today, and not everything there is.
      const chosen: Query = Object.values(query).some((value) => value !== undefined) ? query : { from: dayOf(Date.now()) };
      const filter = held.success ? filterOf(chosen, scopeOf(request)) : undefined;
      if (filter && !(await admitted(request, reply, { act: 'looked' }, chosen))) return reply;
      readers += 1;
      try {
        const found = filter ? await newestEntries(trail.folder, filter, shownAtOnce) : undefined;
        return await reply.code(found ? 200 : 400).type('text/html; charset=utf-8').send(page(language, chosen, found, waysOn(signIn, signIn.here(request), language)));
      } finally {
        readers -= 1;
      }
    });

    app.get('/audit/export', { preHandler: signIn.requireRole('auditor') }, async (request, reply) => {
      const held = exportSchema.safeParse(request.query);
      const filter = held.success ? filterOf(held.data, scopeOf(request)) : undefined;
      if (!held.success || !filter) return reply.code(400).send({ error: 'bad_request', message: 'Write days such as 2026-11-25, and csv or jsonl as the format.' });
      const { format, ...query } = held.data;
      if (!(await admitted(request, reply, { act: 'exported', format }, query))) return reply;
      readers += 1;
      const text = Readable.from(exported(entries(trail.folder, filter), format), { objectMode: true, highWaterMark: 256 });
      text.once('close', () => (readers -= 1));
      return reply
        .type(format === 'csv' ? 'text/csv; charset=utf-8' : 'application/jsonl; charset=utf-8')
        .header('content-disposition', `attachment; filename="audit-${dayOf(Date.now())}.${format}"`)
        .send(text);
    });

    app.get('/audit/assets/audit.css', async (_request, reply) => reply.type('text/css; charset=utf-8').send(css));
  };
}

/** To the pages of the same person's other roles. */
function waysOn(signIn: SignIn, session: Session, language: PageLanguage): Html | string {
  const ways = (['agent', 'supervisor'] as const).flatMap((role) => {
    const at = signIn.pageOf(session, role);
    return at === undefined ? [] : [html`<li><a href="${at}">${words[language].pageOf[role]}</a></li>`];
  });
  return ways.length === 0 ? '' : html`<nav aria-label="${words[language].otherPages}"><ul class="ways">${ways}</ul></nav>`;
}

function page(language: PageLanguage, query: Query, found: readonly Entry[] | undefined, ways: Html | string): string {
  const say = words[language];
  const search = new URLSearchParams(asked(query));
  const download = (format: string): string => `/audit/export?${new URLSearchParams([...search, ['format', format]]).toString()}`;
  const field = (name: 'from' | 'to' | 'call' | 'agent', type: string): Html =>
    html`<div><label for="${name}">${say[name]}</label><input id="${name}" name="${name}" type="${type}" value="${query[name] ?? ''}" maxlength="100" autocomplete="off"></div>`;
  const options = Object.entries(actWords).map(([act, text]) => html`<option value="${act}"${query.act === act ? html` selected` : ''}>${text[language]}</option>`);
  return pageFrame({ language, title: say.title, styles: ['/audit/assets/audit.css'], matter: html`<a class="skip" href="#lines">${say.skip}</a>
${ways}
<h1>${say.title}</h1>
<p>${say.intro}</p>
<p class="soft">${say.utc} ${say.recorded}</p>
${found ? '' : html`<p class="problem" role="alert">${say.badDate}</p>`}
<form method="get" action="/audit">
${field('from', 'date')}
${field('to', 'date')}
${field('call', 'text')}
${field('agent', 'text')}
<div><label for="act">${say.act}</label><select id="act" name="act"><option value="">${say.all}</option>${options}</select></div>
<button type="submit">${say.search}</button>
</form>
<ul class="downloads"><li><a href="${download('csv')}">${say.downloadCsv}</a></li><li><a href="${download('jsonl')}">${say.downloadJsonl}</a></li></ul>
<div id="lines" tabindex="-1" role="region" aria-label="${say.caption}">
${found && found.length > 0 ? table(language, found) : html`<p>${say.none}</p>`}
</div>` });
}

function table(language: PageLanguage, found: readonly Entry[]): Html {
  const say = words[language];
  const heads = [say.time, say.act, say.agent, say.call, say.why, say.attributes, say.detail];
  const rows = found.map((entry) => {
    const row = cells(entry);
    return html`<tr><th scope="row"><time datetime="${row.time}">${row.time.slice(0, 19).replace('T', ' ')}</time></th><td>${actWords[row.act as keyof typeof actWords]?.[language] ?? row.act}</td><td>${row.agent}</td><td>${row.call}</td><td>${whyWords[row.why]?.[language] ?? row.why}</td><td>${row.attributes.replaceAll(' ', ', ')}</td><td>${row.detail}</td></tr>\n`;
  });
  return html`${found.length === shownAtOnce ? html`<p>${say.newest.replace('{count}', String(shownAtOnce))}</p>` : ''}
<div class="rows" tabindex="0" role="group" aria-label="${say.caption}"><table><caption>${say.caption}</caption>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>
${rows}</tbody></table></div>`;
}
