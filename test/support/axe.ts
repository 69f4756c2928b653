/** What axe finds on a page: WCAG 2.2 AA, everything before it, and what axe calls good practice. */
import axe from 'axe-core';
import type { Frame, Page } from 'playwright-core';

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/**
 * @param on a page or frame as it is drawn now
 * @returns each broken rule with the elements that break it
 */
export async function violations(on: Page | Frame): Promise<string[]> {
  // Once it is in a document it stays there.
  if (!(await on.evaluate<boolean>('"axe" in window'))) await on.evaluate(axe.source);
  return on.evaluate(`axe.run(document, { runOnly: ${JSON.stringify(rules)}, resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`);
}
