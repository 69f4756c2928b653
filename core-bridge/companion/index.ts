export { companionPages, type CompanionPagesOptions } from './companion-pages.js';
export type { CompanionTenant } from './page-lookup.js';
