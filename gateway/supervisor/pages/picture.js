// The whole page, as it is at one moment.
import { clock, figuresPicture, share, sumOf, timeOfDay } from './figures-picture.js';
import { table } from './tables.js';
import { h } from './tree.js';
import { counted, fill, words } from './words.js';

/** Waiting longer than this asks for attention, in ms. */
const longWaitMs = 60_000;

export function picture(view, ui) {
  return [header(view, ui), main(view, ui)];
}

function header(view, ui) {
  const { language, connection } = ui;
  const w = words[language];
  return h('header', { key: 'header' },
    h('div', { class: 'who' }, h('h1', {}, w.title), h('p', { id: 'agent' }, view.organisation, view.organisation && ' · ', ui.person)),
    h('p', { id: 'updated' }, fill(w.updated, { time: timeOfDay(view.at, view, language, connection !== 'none') })),
    h('p', { id: 'connection', role: 'status', class: connection === 'none' ? undefined : connection }, connection === 'none' ? '' : w[connection]),
    h('div', { class: 'tools' },
      ui.isAgent && h('a', { class: 'button quiet', href: '/screen' }, w.screen),
      ui.isAuditor && h('a', { class: 'button quiet', href: '/audit' }, w.audit),
      h('form', { id: 'language-form', method: 'get', action: '/supervisor' }, h('button', { type: 'submit', id: 'language', class: 'quiet', name: 'language', value: w.otherCode, lang: w.otherCode }, w.other)),
      h('form', { method: 'post', action: '/lock' }, h('button', { type: 'submit', class: 'quiet' }, w.lock)),
      h('form', { method: 'post', action: '/logout' }, h('button', { type: 'submit', class: 'quiet' }, w.logout))));
}

function main(view, ui) {
  const { language, connection } = ui;
  const w = words[language];
  return h('main', { key: 'main' },
    h('p', { class: 'problem', role: 'alert', key: 'alarm' }, connection === 'lost' ? fill(w.lostAlarm, { time: timeOfDay(view.at, view, language, true) }) : ''),
    tiles(view, ui),
    h('div', { class: 'at-work', key: 'at-work' },
      h('div', { class: 'wide' }, queues(view, ui), calls(view, ui)),
      agents(view, ui)),
    figuresPicture(view, ui));
}

function tiles({ desk, calls, figures, at }, { language, now }) {
  const w = words[language];
  const all = sumOf(figures.rows);
  const waiting = desk?.queues.reduce((sum, queue) => sum + queue.waiting, 0) ?? 0;
  const longest = Math.max(0, ...(desk?.queues ?? []).filter((queue) => queue.waiting > 0).map(({ longestWaitMs }) => longestWaitMs + now - at));
  const alone = desk?.queues.some((queue) => queue.waiting > 0 && queue.staffed === 0) ?? false;
  const available = desk?.agents.filter(({ state }) => state === 'available').length ?? 0;
  const talking = calls.shown.filter(({ phase }) => phase === 'talking' || phase === 'elsewhere').length;
  const tile = (key, label, value, note, attention) => h('div', { class: attention ? 'tile attention' : 'tile', key }, h('dt', {}, label), h('dd', { class: 'value' }, String(value)), h('dd', { class: 'note' }, note));
  return h('section', { 'aria-labelledby': 'now-title', key: 'now', class: 'bare' },
    h('h2', { id: 'now-title', class: 'unseen' }, w.now),
    h('dl', { class: 'tiles' },
      tile('waiting', w.tile.waiting, desk ? waiting : '–', !desk ? w.notKnown : waiting === 0 ? w.nobodyWaits : alone ? `${fill(w.longest, { time: clock(longest) })}, ${w.nobodyFor}` : fill(w.longest, { time: clock(longest) }), waiting > 0 && (alone || longest >= longWaitMs)),
      tile('talking', w.tile.talking, talking, counted(w.ofCalls, calls.total)),
      tile('available', w.tile.available, desk ? available : '–', desk ? counted(w.ofAgents, desk.agents.length + desk.more) : w.notKnown),
      tile('soon', w.tile.soon, share(all.soon, all.answered, language), all.answered === 0 ? w.none : fill(w.ofAnswered, { part: all.soon, n: all.answered })),
      tile('identified', w.tile.identified, share(all.identified, all.calls, language), all.calls === 0 ? w.none : fill(w.ofAnswered, { part: all.identified, n: all.calls }))));
}

function queues({ desk, at }, { language, now }) {
  const w = words[language];
  const row = ({ service, open, waiting, longestWaitMs, staffed }) => {
    const waited = waiting === 0 ? 0 : longestWaitMs + now - at;
    const attention = waiting > 0 && (staffed === 0 || waited >= longWaitMs);
    return {
      key: service,
      cells: [
        service,
        { content: h('span', { class: open ? 'pill open' : 'pill' }, open ? w.open : w.closed), className: 'opening' },
        { content: String(waiting), className: waiting > 0 ? 'strong' : undefined },
        { content: waiting === 0 ? '–' : clock(waited), className: attention ? 'attention' : undefined },
        { content: staffed === 0 && waiting > 0 ? w.nobodyFor : String(staffed), className: staffed === 0 && waiting > 0 ? 'attention' : undefined },
      ],
    };
  };
  return h('section', { 'aria-labelledby': 'queues-title', key: 'queues', class: 'queues' },
    h('h2', { id: 'queues-title' }, w.queues),
    desk
      ? table(w.queues, [{ label: w.service }, { label: w.opening }, { label: w.waiting, numeric: true }, { label: w.longestWait, numeric: true }, { label: w.staffed, numeric: true }], desk.queues.map(row))
      : h('p', { class: 'nothing' }, w.unknown));
}

function calls({ calls: { total, shown, silentNodes } }, { language, now }) {
  const w = words[language];
  return h('section', { 'aria-labelledby': 'calls-title', key: 'calls', class: 'calls' },
    h('h2', { id: 'calls-title' }, w.calls),
    silentNodes > 0 && h('p', { class: 'note' }, counted(w.silent, silentNodes)),
    shown.length === 0
      ? h('p', { class: 'nothing' }, w.noCalls)
      : table(w.calls, [{ label: w.service }, { label: w.phase }, { label: w.inPhase, numeric: true }, { label: w.duration, numeric: true }, { label: w.identified }, { label: w.agent }], shown.map((call) => ({
          key: call.id,
          cells: [
            call.service,
            { content: w.phases[call.phase], className: `phase ${call.phase}` },
            clock(now - call.since), clock(now - call.arrivedAt),
            { content: call.identified ? w.yes : w.no, className: call.identified ? 'yes' : 'no' },
            call.guest ? fill(w.together, { agent: call.agent, guest: call.guest }) : (call.agent ?? w.nobody),
          ],
        }))),
    total > shown.length && h('p', { class: 'note' }, fill(w.moreCalls, { shown: shown.length, n: total })));
}

function agents({ desk }, { language, now }) {
  const w = words[language];
  return h('section', { 'aria-labelledby': 'agents-title', key: 'agents', class: 'agents' },
    h('h2', { id: 'agents-title' }, w.agents),
    !desk
      ? h('p', { class: 'nothing' }, w.unknown)
      : [
          desk.agents.length === 0
            ? h('p', { class: 'nothing', key: 'none' }, w.noAgents)
            : table(w.agents, [{ label: w.name }, { label: w.state }, { label: w.since, numeric: true }], desk.agents.map(({ name, displayName, state, since }) => ({
                key: name,
                cells: [displayName, { content: w.states[state], className: `seat ${state}` }, clock(now - since)],
              }))),
          desk.more > 0 && h('p', { class: 'note', key: 'more' }, fill(w.moreAgents, { n: desk.more })),
          desk.away > 0 && h('p', { class: 'note', key: 'away' }, counted(w.away, desk.away)),
        ]);
}
