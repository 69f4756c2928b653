// Today's figures: three charts, and the same and more in tables.
import { barChart, niceTop } from './chart.js';
import { table } from './tables.js';
import { h } from './tree.js';
import { fill, words } from './words.js';

const counters = ['calls', 'identified', 'answered', 'soon', 'abandoned', 'waitMs', 'talks', 'talkMs', 'transfers', 'overflow', 'handedOver'];
const emptySum = () => Object.fromEntries(counters.map((counter) => [counter, 0]));

/** Sums of rows, by what `keyOf` says of a row. */
export function sumsBy(rows, keyOf) {
  const sums = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    if (!sums.has(key)) sums.set(key, emptySum());
    for (const counter of counters) sums.get(key)[counter] += row[counter];
  }
  return sums;
}

export const sumOf = (rows) => sumsBy(rows, () => 'all').get('all') ?? emptySum();

/** 75_000 ms -> "1:15"; an hour and more -> "1:02:03". */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return hours > 0 ? `${hours}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}` : `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}

export function share(part, whole, language) {
  return whole === 0 ? '–' : new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 0 }).format(part / whole);
}

export function timeOfDay(ms, { timeZone }, language, seconds) {
  return new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : 'nl-NL', { timeZone, hour: '2-digit', minute: '2-digit', ...(seconds && { second: '2-digit' }) }).format(ms);
}

const average = (ms, n) => (n === 0 ? '–' : clock(Math.round(ms / n / 1000) * 1000));

/** The office hours, and whatever lies beyond them with something in it. */
function hoursShown(byHour, current) {
  const used = [...byHour.keys(), current];
  const from = Math.min(8, ...used);
  const to = Math.max(17, ...used);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

export function figuresPicture(view, ui) {
  const { language, service } = ui;
  const w = words[language];
  const rows = service === '' ? view.figures.rows : view.figures.rows.filter((row) => row.service === service);
  const byHour = sumsBy(rows, ({ hour }) => hour);
  const notes = [
    view.figures.since !== null && fill(w.sinceStart, { time: timeOfDay(view.figures.since, view, language) }),
    !view.figures.complete && w.incomplete,
  ].filter(Boolean);
  return h('section', { id: 'today', 'aria-labelledby': 'today-title', key: 'today' },
    h('div', { class: 'heading' },
      h('h2', { id: 'today-title' }, w.today),
      view.services.length > 1 && h('form', { id: 'which', method: 'get', action: '/supervisor' },
        h('label', { for: 'service' }, w.showFor),
        h('select', { id: 'service', name: 'service' },
          h('option', { value: '', selected: service === '', key: 'all' }, w.allServices),
          view.services.map((name) => h('option', { value: name, selected: name === service, key: `s${name}` }, name))),
        h('input', { type: 'hidden', name: 'language', value: language }),
        ui.connection === 'none' && h('button', { type: 'submit', class: 'quiet' }, w.show))),
    notes.map((note) => h('p', { class: 'note' }, note)),
    rows.length === 0
      ? h('p', { class: 'nothing' }, w.noFigures)
      : [charts(byHour, view, ui), tables(view, rows, byHour, ui)]);
}

function charts(byHour, view, ui) {
  const { language } = ui;
  const w = words[language];
  const hours = hoursShown(byHour, view.hour);
  const of = (hour) => byHour.get(hour) ?? emptySum();
  const valuesOf = (value) => new Map(hours.map((hour) => [hour, value(of(hour))]));
  const hourName = (hour) => fill(w.at, { hour });
  const most = (value) => [...byHour.keys()].sort((a, b) => a - b).reduce((best, hour) => (value(of(hour)) > value(of(best)) ? hour : best), [...byHour.keys()][0]);
  const shared = { hours, currentHour: view.hour };

  const busiest = most(({ calls }) => calls);
  const callsTop = niceTop(Math.max(4, of(busiest).calls));
  const waitOf = ({ waitMs, answered }) => (answered === 0 ? 0 : waitMs / answered);
  const slowest = most(waitOf);
  // Half minutes are easier to read on a clock than halves of ten.
  const waitTop = Math.max(60_000, Math.ceil(waitOf(of(slowest)) / 60_000) * 60_000);
  const shareOf = ({ identified, calls }) => (calls === 0 ? 0 : identified / calls);
  const shares = [...byHour.values()].filter(({ calls }) => calls > 0).map(shareOf);
  return h('div', { class: 'charts', key: 'charts' },
    barChart({
      ...shared, id: 'calls', title: w.perHour, legend: true,
      summary: `${fill(w.busiest, { hour: busiest, n: of(busiest).calls })} ${w.inTable}`,
      series: [
        { name: 'answered', label: w.series.answered, values: valuesOf(({ answered }) => answered) },
        { name: 'abandoned', label: w.series.abandoned, values: valuesOf(({ abandoned }) => abandoned) },
        { name: 'other', label: w.series.other, values: valuesOf(({ calls, answered, abandoned }) => Math.max(0, calls - answered - abandoned)) },
      ],
      top: callsTop, lines: [0, callsTop / 2, callsTop], format: (value) => String(value),
      describe: (hour) => `${hourName(hour)}: ${of(hour).answered} ${w.series.answered}, ${of(hour).abandoned} ${w.series.abandoned}`,
    }),
    barChart({
      ...shared, id: 'wait', title: w.waitPerHour,
      summary: `${fill(w.longestAverage, { time: clock(waitOf(of(slowest))), hour: slowest })} ${w.inTable}`,
      series: [{ name: 'wait', label: w.figures.wait, values: valuesOf(waitOf) }],
      top: waitTop, lines: [0, waitTop / 2, waitTop], format: clock,
      describe: (hour) => `${hourName(hour)}: ${clock(waitOf(of(hour)))}`,
    }),
    barChart({
      ...shared, id: 'identified', title: w.identifiedPerHour,
      summary: `${fill(w.shareRange, { low: share(Math.min(...shares), 1, language), high: share(Math.max(...shares), 1, language) })} ${w.inTable}`,
      series: [{ name: 'identified', label: w.figures.identified, values: valuesOf(shareOf) }],
      top: 1, lines: [0, 0.5, 1], format: (value) => share(value, 1, language),
      describe: (hour) => `${hourName(hour)}: ${share(of(hour).identified, of(hour).calls, language)}`,
    }));
}

function tables(view, rows, byHour, { language, service }) {
  const w = words[language];
  const f = w.figures;
  const all = sumOf(rows);
  const columns = [
    ['calls', f.calls, ({ calls }) => calls],
    ['identified', f.identified, ({ identified, calls }) => share(identified, calls, language)],
    ['answered', f.answered, ({ answered }) => answered],
    ['soon', f.soon, ({ soon, answered }) => share(soon, answered, language)],
    ['abandoned', f.abandoned, ({ abandoned }) => abandoned],
    ['wait', f.wait, ({ waitMs, answered }) => average(waitMs, answered)],
    ['talk', f.talk, ({ talkMs, talks }) => average(talkMs, talks)],
    ['transfers', f.transfers, ({ transfers }) => transfers],
    ['overflow', f.overflow, ({ overflow }) => overflow],
    // Where no service uses the PBX's queue, nobody needs a column of noughts.
    ...(view.figures.rows.some(({ handedOver }) => handedOver > 0) ? [['handedOver', f.handedOver, ({ handedOver }) => handedOver]] : []),
  ];
  const line = (key, name, sums) => ({ key, cells: [name, ...columns.map(([, , value]) => String(value(sums)))] });
  const headed = (first) => [{ label: first }, ...columns.map(([, label]) => ({ label, numeric: true }))];
  const byService = sumsBy(view.figures.rows, (row) => row.service);
  const services = view.services.filter((name) => byService.has(name) && (service === '' || name === service));
  const hours = [...byHour.keys()].sort((a, b) => a - b);
  return h('div', { class: 'figures', key: 'figures' },
    table(w.byService, headed(w.service), services.map((name) => line(`s${name}`, name, byService.get(name))), services.length > 1 && line('total', w.total, all)),
    h('details', { key: 'hours' },
      h('summary', {}, w.asTable),
      table(w.byHour, headed(w.hour), hours.map((hour) => line(`h${hour}`, fill(w.at, { hour }), byHour.get(hour))), line('total', w.total, all))),
    h('p', { class: 'note' }, w.explained));
}

