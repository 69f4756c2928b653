import type { SupervisorView } from '../view.js';
import type { Tree } from './tree.js';

export interface Ui {
  readonly language: 'nl' | 'en';
  readonly person: string;
  readonly isAuditor: boolean;
  readonly isAgent: boolean;
  /** Whose figures are shown; empty: all services together. */
  readonly service: string;
  /** `none`: a page without scripts. */
  readonly connection: 'none' | 'connecting' | 'live' | 'lost';
  /** What durations are counted to, in ms since the epoch by the server's clock. */
  readonly now: number;
}
export function picture(view: SupervisorView, ui: Ui): Tree[];
