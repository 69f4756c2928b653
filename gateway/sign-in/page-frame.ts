import { html, type Html } from '../../core-bridge/html.js';

export interface PageFrame {
  readonly language: string;
  readonly title: string;
  /** Addresses of ours. */
  readonly styles: readonly string[];
  readonly icon?: string;
  readonly script?: string | undefined;
  /** The page goes on to this address by itself. */
  readonly onwardTo?: string | undefined;
  readonly bodyClass?: string;
  readonly matter: Html;
}

/** What stands around the matter of a small page on the agents' listener: everything it needs is served from there. */
export function pageFrame({ language, title, styles, icon, script, onwardTo, bodyClass, matter }: PageFrame): string {
  const head = [
    onwardTo === undefined ? [] : html`<meta http-equiv="refresh" content="0; url=${onwardTo}">`,
    html`<title>${title}</title>`,
    icon === undefined ? [] : html`<link rel="icon" href="${icon}">`,
    styles.map((href) => html`<link rel="stylesheet" href="${href}">`),
    script === undefined ? [] : html`<script type="module" src="${script}"></script>`,
  ].flat();
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${head.map((line) => [line, '\n'])}</head>
<body${bodyClass === undefined ? '' : html` class="${bodyClass}"`}>
<main>
${matter}
</main>
</body>
</html>
`.text;
}
