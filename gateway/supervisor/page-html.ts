/** The page as the server sends it: drawn by the same code that draws it again in the browser, so that it is there without scripts too. */
import { html, Html } from '../../core-bridge/html.js';
import type { PageLanguage } from '../sign-in/texts.js';
import { picture } from './pages/picture.js';
import type { Tree } from './pages/tree.js';
import { words } from './pages/words.js';
import type { SupervisorView } from './view.js';

export interface PageMatter {
  readonly language: PageLanguage;
  readonly person: string;
  readonly isAuditor: boolean;
  readonly isAgent: boolean;
  /** Whose figures are shown; empty: all services together. */
  readonly service: string;
  /** Without scripts: by itself, because the reader asked for it. */
  readonly refreshes: boolean;
}

const empty = new Set(['input', 'br', 'rect', 'line', 'path']);

/** What the browser makes of a tree by `patch.js`. */
export function htmlOf(tree: Tree | string): Html {
  if (typeof tree === 'string') return html`${tree}`;
  const { tag, attributes, children } = tree;
  const written = Object.entries(attributes).map(([name, value]) => html` ${name === 'key' ? 'data-key' : name}="${value}"`);
  const within = children.map(htmlOf);
  // Names of tags and attributes are our own.
  return new Html(`<${tag}${html`${written}`.text}>${html`${within}`.text}${empty.has(tag) && within.length === 0 ? (tag === 'input' || tag === 'br' ? '' : `</${tag}>`) : `</${tag}>`}`);
}

export function pageHtml(view: SupervisorView, { language, person, isAuditor, isAgent, service, refreshes }: PageMatter): string {
  const say = words[language];
  const ui = { language, person, isAuditor, isAgent, service, connection: 'none' as const, now: view.at };
  const query = new URLSearchParams({ language, ...(service !== '' && { service }) });
  const refreshing = `/supervisor?${new URLSearchParams([...query, ['refresh', '30']]).toString()}`;
  // Not run by anything: the page's own script reads it. `<` could end the element.
  const given = new Html(JSON.stringify({ view, person, isAuditor, isAgent }).replaceAll('<', '\\u003c'));
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refreshes ? html`<noscript><meta http-equiv="refresh" content="30"></noscript>` : ''}
<title>${say.title}</title>
<link rel="icon" href="/screen/assets/icon.svg">
<link rel="stylesheet" href="/screen/assets/style.css">
<link rel="stylesheet" href="/supervisor/assets/supervisor.css">
<script type="module" src="/supervisor/assets/supervisor.js"></script>
</head>
<body>
<noscript><p class="still">${say.still} <a href="/supervisor?${query.toString()}">${say.again}</a> · ${refreshes ? html`<a href="/supervisor?${query.toString()}">${say.stopRefreshing}</a>` : html`<a href="${refreshing}">${say.refreshing}</a>`}</p></noscript>
<div id="page">${picture(view, ui).map(htmlOf)}</div>
<script type="application/json" id="given">${given}</script>
</body>
</html>
`.text;
}
