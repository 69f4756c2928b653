// The supervisor's page: draws what the server tells, and counts on between.
import { keepPref, pref } from '/screen/assets/prefs.js';
import { follow, sayActive, unfollow } from './feed.js';
import { patch } from './patch.js';
import { picture } from './picture.js';
import { words } from './words.js';

const page = document.getElementById('page');
const given = JSON.parse(document.getElementById('given').textContent);
let view = given.view;
let heardAt = performance.now();
let connection = 'connecting';
let language = words[pref('language', '')] ? pref('language', '') : document.documentElement.lang;
let service = document.getElementById('service')?.value ?? '';

/** Without a connection time stands still: what is shown is of the last word there was. */
const now = () => view.at + (connection === 'lost' ? 0 : performance.now() - heardAt);

function render() {
  document.documentElement.lang = language;
  document.title = words[language].title;
  patch(page, picture(view, { ...given, language, service, connection, now: now() }));
}

page.addEventListener('submit', (event) => {
  if (event.target.id === 'language-form') {
    event.preventDefault();
    language = words[language].otherCode;
    keepPref('language', language);
    render();
  } else if (event.target.id === 'which') event.preventDefault();
});
page.addEventListener('change', ({ target }) => {
  if (target.id !== 'service') return;
  service = target.value;
  render();
});
for (const event of ['pointerdown', 'keydown']) document.addEventListener(event, sayActive, { passive: true });

const owner = {
  view(told) {
    view = told;
    heardAt = performance.now();
    connection = 'live';
    render();
  },
  connecting() {
    // The alarm stands until there is something new to see.
    render();
  },
  lost() {
    connection = 'lost';
    render();
  },
  refused(where) {
    location.assign(where);
  },
};

addEventListener('pagehide', () => unfollow());
// Out of the browser's own memory it would be of long ago, and perhaps of somebody who has left.
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) location.reload();
});

setInterval(() => {
  if (document.visibilityState === 'visible') render();
}, 1000);
render();
follow(owner);
