// Tables that are cards on a narrow screen. The roles are written out because a browser forgets them with the layout.
import { h } from './tree.js';

/**
 * @param columns [{ label, numeric }], the first one names the row
 * @param rows [{ key, cells: [child | { text, className }], className }]
 */
export function table(caption, columns, rows, foot) {
  const cell = (value, place) => {
    const { label, numeric } = columns[place];
    const { content, className } = typeof value === 'object' && value !== null && 'content' in value ? value : { content: value, className: undefined };
    const shared = { class: [numeric && 'number', className].filter(Boolean).join(' ') || undefined };
    return place === 0
      ? h('th', { scope: 'row', role: 'rowheader', ...shared }, content)
      : h('td', { role: 'cell', 'data-label': label, ...shared }, h('span', {}, content));
  };
  const line = ({ key, cells, className }) => h('tr', { key, role: 'row', class: className }, cells.map(cell));
  return h('table', { role: 'table' },
    h('caption', { class: 'unseen' }, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map(({ label, numeric }) => h('th', { scope: 'col', role: 'columnheader', class: numeric ? 'number' : undefined }, label)))),
    h('tbody', { role: 'rowgroup' }, rows.map(line)),
    foot && h('tfoot', { role: 'rowgroup' }, line(foot)));
}
