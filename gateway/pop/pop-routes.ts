/**
 * The address under which an agent's desktop opens the data of a call that the PBX's queue has brought (`/pop/<reference>`).
 * It shows nothing of anybody: who is logged in and has that call is led to their screen, which is shown the caller by the
 * call itself. Where the PBX does not report who has it, the agent says so here, once.
 */
import type { FastifyPluginAsync } from 'fastify';
import { referencePattern } from '../call/hand-over.js';
import { languageOf } from '../sign-in/texts.js';
import type { SignIn } from '../sign-in/sign-in.js';
import { popPage, type PopSituation } from './pop-page.js';

export type PopOutcome = 'shown' | 'notYours' | 'tooEarly' | 'unknown';

export interface PopCalls {
  /** Whether this agent has that call now. */
  has(tenant: string, agent: string, reference: string): Promise<PopOutcome>;
  /** The agent says that the call is theirs. */
  claim(tenant: string, agent: string, reference: string): Promise<PopOutcome>;
}

const situations: Record<Exclude<PopOutcome, 'shown'>, PopSituation> = { notYours: 'notYours', tooEarly: 'tooEarly', unknown: 'ended' };

export function popRoutes(signIn: SignIn, calls: PopCalls): FastifyPluginAsync {
  return (app) => {
    const page = { preValidation: signIn.pageFor('agent') };
    const act = { preValidation: [signIn.ownPagesOnly, signIn.pageFor('agent')] };

    app.get<{ Params: { reference: string } }>('/pop/:reference', page, async (request, reply) => {
      const { name, tenant } = signIn.here(request).principal;
      const language = languageOf(request.headers['accept-language']);
      const outcome = referencePattern.test(request.params.reference) ? await calls.has(tenant, name, request.params.reference) : 'unknown';
      if (outcome === 'shown') return reply.redirect('/screen', 303);
      // Until it is claimed, the call may be anybody's, this agent's too.
      const situation = outcome === 'notYours' ? 'mayClaim' : situations[outcome];
      return reply.code(outcome === 'unknown' ? 404 : 200).type('text/html; charset=utf-8').send(popPage(language, situation, request.params.reference));
    });

    app.post<{ Params: { reference: string } }>('/pop/:reference', act, async (request, reply) => {
      const { name, tenant } = signIn.here(request).principal;
      const language = languageOf(request.headers['accept-language']);
      const outcome = referencePattern.test(request.params.reference) ? await calls.claim(tenant, name, request.params.reference) : 'unknown';
      if (outcome === 'shown') return reply.redirect('/screen', 303);
      return reply.code(outcome === 'unknown' ? 404 : 409).type('text/html; charset=utf-8').send(popPage(language, situations[outcome], request.params.reference));
    });
    return Promise.resolve();
  };
}
