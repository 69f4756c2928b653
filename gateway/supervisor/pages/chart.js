// Bars by the hour. Widths are shares of the drawing and heights are pixels, so that text keeps its size at any width.
import { h } from './tree.js';

const height = 184;
const top = 14;
const bottom = 160;
/** Left of the bars, in percent: room for the numbers of the lines. */
const gutter = 11;

/** The next handsome number: 1, 2, 5, 10, 20, 50 ... */
export function niceTop(value) {
  if (value <= 0) return 1;
  const step = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((times) => times * step).find((candidate) => candidate >= value);
}

/**
 * @param hours the hours that have a place, in order
 * @param series [{ name, label, values: Map of hour to number }], from the bottom up
 * @param describe hour -> what a pointer on its bar is told
 */
export function barChart({ id, title, summary, hours, series, top: highest, lines, format, describe, currentHour, legend }) {
  const place = (100 - gutter) / hours.length;
  const y = (value) => bottom - (Math.min(value, highest) / highest) * (bottom - top);
  const bars = hours.map((hour, index) => {
    let below = 0;
    const x = gutter + place * (index + 0.16);
    const parts = series.flatMap(({ name, values }) => {
      const value = values.get(hour) ?? 0;
      if (value <= 0) return [];
      const from = y(below);
      below += value;
      const to = y(below);
      // A hair between the parts, so that they are apart without their colours; never less than can be seen.
      const tall = Math.max(from - to - (below > value ? 2 : 0), 1.5);
      return [h('rect', { class: `bar ${name}`, x: `${x.toFixed(2)}%`, width: `${(place * 0.68).toFixed(2)}%`, y: to.toFixed(1), height: tall.toFixed(1), rx: 1.5 })];
    });
    return h('g', { key: `h${hour}` }, h('title', {}, describe(hour)),
      h('rect', { class: 'reach', x: `${(gutter + place * index).toFixed(2)}%`, width: `${place.toFixed(2)}%`, y: top, height: bottom - top }), parts);
  });
  return h('figure', { class: 'chart', key: id },
    h('figcaption', {}, h('span', { class: 'title' }, title), legend && h('span', { class: 'legend' }, series.map(({ name, label }) => h('span', {}, h('svg', { class: 'swatch', 'aria-hidden': 'true', width: 12, height: 12 }, h('rect', { class: `bar ${name}`, width: 12, height: 12, rx: 2 })), label)))),
    h('svg', { class: 'bars', role: 'img', 'aria-label': `${title}. ${summary}`, width: '100%', height },
      lines.map((value) => h('g', { key: `l${value}` },
        h('line', { class: value === 0 ? 'base' : 'grid', x1: `${gutter}%`, x2: '100%', y1: y(value), y2: y(value) }),
        h('text', { class: 'scale', x: `${gutter - 1.5}%`, y: y(value) + 4, 'text-anchor': 'end' }, format(value)))),
      bars,
      hours.map((hour, index) => h('text', { key: `t${hour}`, class: [`hour${index % 2 === 1 ? ' odd' : ''}${index % 4 !== 0 ? ' fine' : ''}`, hour === currentHour && 'current'].filter(Boolean).join(' '), x: `${(gutter + place * (index + 0.5)).toFixed(2)}%`, y: bottom + 18, 'text-anchor': 'middle' }, String(hour)))));
}
