export { Supervision, type SupervisionOptions } from './supervision.js';
export type { CallAtReception } from './live-calls.js';
