// Keeps a citizen's page up to date while it is open. The server says what to show, in words; this puts them in place,
// always as text. Without it the page works too: it then asks for itself again and again.

const page = document.getElementById('page');
const byId = (id) => document.getElementById(id);

/** How long to wait before asking for events again when the server refused them. */
const ASK_AGAIN_MS = 15_000;
/** A connection that comes back sooner was not worth mentioning. */
const SAY_OFFLINE_AFTER_MS = 8_000;
/** How long a passing message stays. */
const MESSAGE_MS = 4_000;

let source;
let offlineTimer;
let countdown;
const confirmations = new Map();

function say(id, text) {
  const element = byId(id);
  if (element && element.textContent !== text) element.textContent = text;
}

/** Puts one paragraph for each text into an element; leaves it alone when they stand there, so that nothing is read out twice. */
function paragraphs(id, texts, className) {
  const parent = byId(id);
  if (texts.join('\n') === [...parent.children].map((child) => child.textContent).join('\n')) return;
  parent.replaceChildren(...texts.map((text) => Object.assign(document.createElement('p'), { textContent: text, className })));
}

function span(className) {
  return Object.assign(document.createElement('span'), { className });
}

function newStep(name) {
  const item = document.createElement('li');
  item.dataset.name = name;
  item.setAttribute('aria-atomic', 'true');
  item.append(span('what'), span('unseen'), ' ', span('when'));
  return item;
}

function showSteps(steps) {
  const list = byId('journey');
  const items = new Map([...list.children].map((item) => [item.dataset.name, item]));
  for (const [index, step] of steps.entries()) {
    const item = items.get(step.name) ?? newStep(step.name);
    items.delete(step.name);
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
    item.dataset.state = step.state;
    if (step.state === 'current') item.setAttribute('aria-current', 'step');
    else item.removeAttribute('aria-current');
    const [what, unseen, when] = item.querySelectorAll('span');
    for (const [element, text] of [[what, step.text], [unseen, step.stateText ? ` (${step.stateText})` : ''], [when, step.time ?? '']]) {
      if (element.textContent !== text) element.textContent = text;
    }
  }
  for (const item of items.values()) item.remove();
  byId('steps').hidden = steps.length === 0;
}

/** Takes a part off the page; whoever was in it with the keyboard finds themselves at the title. */
function remove(id) {
  const part = byId(id);
  if (!part) return;
  const wasIn = part.contains(document.activeElement);
  part.remove();
  if (wasIn) byId('title').focus();
}

/** Counts down to `endsAt` by this machine's clock, from how far it was by the server's. */
function countDown(now, endsAt) {
  clearInterval(countdown);
  const left = byId('left');
  if (!left) return;
  const ends = Date.now() + endsAt - now;
  const clock = left.querySelector('.clock');
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
    clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    if (seconds === 0) clearInterval(countdown);
  };
  tick();
  left.hidden = false;
  countdown = setInterval(tick, 1000);
}

function showValidity(now, validity) {
  const part = byId('validity');
  if (!part || !validity) return;
  say('until', validity.sentence);
  say('help', validity.help);
  const form = part.querySelector('form');
  if (!validity.extendable && form.contains(document.activeElement)) part.focus();
  form.hidden = !validity.extendable;
  countDown(now, validity.endsAt);
}

function showReceipt(receipt) {
  const place = byId('receipt');
  if (!receipt || place.firstChild) return;
  const when = document.createElement('p');
  when.append(Object.assign(document.createElement('time'), { textContent: receipt.when, dateTime: receipt.at }));
  place.append(Object.assign(document.createElement('p'), { textContent: receipt.sentence, className: 'sentence' }), when);
}

function show({ now, view }) {
  // Code and word are never sent again: a page that needs them once more is asked for as a whole.
  if ((view.showsCode && !byId('code')) || (view.showsWord && !byId('word'))) {
    location.reload();
    return;
  }
  const { organisation } = page.dataset;
  document.title = organisation ? `${view.title} - ${organisation}` : view.title;
  say('title', view.title);
  paragraphs('lines', view.lines, 'line');
  paragraphs('warnings', view.warnings, 'problem');
  if (!view.showsCode) remove('code');
  if (!view.showsWord) remove('word');
  showSteps(view.steps);
  showValidity(now, view.validity);
  showReceipt(view.receipt);
  if (!view.live) {
    stop();
    clearInterval(countdown);
  }
}

function online() {
  clearTimeout(offlineTimer);
  offlineTimer = undefined;
  say('offline', '');
}

function stop() {
  source?.close();
  source = undefined;
  online();
}

function follow() {
  source = new EventSource(page.dataset.events);
  source.onopen = online;
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onerror = () => {
    offlineTimer ??= setTimeout(() => say('offline', byId('offline').dataset.text), SAY_OFFLINE_AFTER_MS);
    // A browser gives up by itself only when the server refuses: too many streams, or a session that is gone.
    if (source.readyState === EventSource.CLOSED) setTimeout(askAgain, ASK_AGAIN_MS);
  };
}

async function askAgain() {
  if (!source) return;
  const answer = await fetch(page.dataset.events.replace('/events', ''), { method: 'HEAD' }).catch(() => undefined);
  if (answer?.status === 410) location.reload();
  else follow();
}

/** Says the sentence that an element has ready, for a moment. */
function confirm(id) {
  say(id, byId(id)?.dataset.text);
  clearTimeout(confirmations.get(id));
  confirmations.set(id, setTimeout(() => say(id, ''), MESSAGE_MS));
}

function allowCopying() {
  const button = byId('copy');
  if (!button || !navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.querySelector('[data-code]').dataset.code);
    confirm('copied');
  });
}

function extendInPlace() {
  const form = document.querySelector('#validity form');
  form?.addEventListener('submit', async (event) => {
    event.preventDefault();
    const answer = await fetch(form.action, { method: 'POST', headers: { accept: 'application/json' } }).catch(() => undefined);
    if (!answer?.ok) {
      location.reload();
      return;
    }
    show(await answer.json());
    confirm('extended');
  });
}

allowCopying();
extendInPlace();
const validity = byId('validity');
if (validity) countDown(Number(validity.dataset.now), Number(validity.dataset.ends));
if (page.dataset.events) follow();
// A page that the browser kept aside shows what was: code and steps may be long over.
addEventListener('pageshow', (event) => event.persisted && location.reload());
addEventListener('pagehide', stop);
