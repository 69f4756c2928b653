import type { FastifyInstance } from 'fastify';
import { HttpError } from '../http-error.js';
import { Recent } from './recent.js';

/** What the test authentication heard of one session. */
interface Heard {
  user_active: number;
  logout: number;
}

const MAX_SESSIONS = 5_000;

/** The test authentication's end of session feedback: counts what the gateway says, for people and checks to look at. */
export class HeardFeedback {
  readonly #sessions = new Recent<Heard>(MAX_SESSIONS);

  /** Path of a new session, on the public listener. */
  open(): string {
    return `/demo/feedback/${this.#sessions.add({ user_active: 0, logout: 0 })}`;
  }

  /** `POST /demo/feedback/{id}?type=...`, and `GET` for what was heard. */
  routes(app: FastifyInstance): void {
    const find = (id: string): Heard => {
      const heard = this.#sessions.get(id);
      if (!heard) throw new HttpError(404, 'not_found', 'There is no such session.');
      return heard;
    };
    app.post<{ Params: { id: string }; Querystring: Record<string, unknown> }>('/demo/feedback/:id', { logLevel: 'silent' }, (request, reply) => {
      const heard = find(request.params.id);
      const { type } = request.query;
      if (type !== 'user_active' && type !== 'logout') throw new HttpError(400, 'type_unknown', 'The type must be user_active or logout.');
      heard[type] += 1;
      return reply.code(204).send();
    });
    app.get<{ Params: { id: string } }>('/demo/feedback/:id', { logLevel: 'silent' }, (request, reply) => reply.send(find(request.params.id)));
  }
}
